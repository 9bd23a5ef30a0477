"""No template and no data make a rendering long, large or endless."""

import time

import pytest

from fogbell.model.content import MAX_SOURCE, SmsContent
from fogbell.model.status import Channel
from fogbell.rendering import RenderingError, compile_part

# Every case ends within tens of milliseconds; unbounded, each takes minutes or gigabytes. The
# limit is wide because test machines are busy.
SECONDS = 3.0


def repeat(piece: str, size: int = MAX_SOURCE) -> str:
    return (piece * (size // len(piece) + 1))[:size]


def refuse(source: str, data: dict[str, object] | None = None) -> RenderingError:
    started = time.process_time()
    with pytest.raises(RenderingError) as caught:
        compile_part(SmsContent(text=source), Channel.SMS).render({"data": data or {}})
    assert time.process_time() - started < SECONDS
    return caught.value


@pytest.mark.parametrize(
    "piece",
    ["{{", "{%", "{%-", "{% raw %}", "{% comment %}", "{% doc %}", "{% # ", "{{ '", "{{ a['", "{{(",
     "{% if a %}", "{{ a }}", "{% raw %}{% endraw %}", "{% for i in (1..2) %}"],
)  # fmt: skip
def test_a_source_of_nothing_but_delimiters_is_refused_at_once(piece: str) -> None:
    refuse(repeat(piece))


@pytest.mark.parametrize(
    "piece", ["(", "[", "['a' ", "('", "' ", "\" ' ", "1.", "a:", "a and ", "| upcase ", ".."]
)
@pytest.mark.parametrize("form", ["{{% if a {} %}}x", "{{{{ a {} }}}}", "{{% for a in a {} %}}x"])
def test_a_tangled_expression_is_refused_at_once(piece: str, form: str) -> None:
    refuse(form.format(repeat(piece, 3_900)) * 50)


@pytest.mark.parametrize(
    "source",
    [
        '{{ (1..100000000) | join: "" }}',
        "{% for i in (1..100000000) reversed limit: 1 %}x{% endfor %}",
        "{% for i in (1..100000000) %}x{% endfor %}",
        "{% for i in (1.." + "9" * 400 + ") %}x{% endfor %}",
        "{% for i in (1..1000) %}{% for j in (1..1000) %}x{% endfor %}{% endfor %}",
        "{% for i in (1..10000) %}x{% endfor %}" * 500,
        "{% for i in (1..9999) %}{{ i | times: 7 | plus: 1 | append: 'x' }}{% endfor %}",
        "{{ 'aaaaaaaaaa' " + "| replace: 'a', 'aaaaaaaaaa' " * 20 + "}}",
        "{{ 'aaaaaaaaaa' " + "| replace: '', 'aaaaaaaaaa' " * 20 + "}}",
        "{% assign a = 'aaaaaaaaaaaaaaaa' %}" + "{% assign a = a | append: a %}" * 60,
        "{% assign a = 'aaaaaaaaa' %}" + "{% capture a %}{{ a }}{{ a }}{% endcapture %}" * 60,
        "{% assign a = 'a,b' | split: ',' %}" + "{% assign a = a | concat: a %}" * 60,
        "{% assign a = 99999999 %}" + "{% assign a = a | times: a %}" * 60 + "{{ a }}",
        "{{ " + "9" * 3000 + " | plus: 1 }}",
        "{{ " + "9" * 5000 + " }}",
        "{% if true %}" * 500 + "x" + "{% endif %}" * 500,
        "{% case data.a %}" + "{% when 1 %}x" * 5_000 + "{% endcase %}",
        "{{ 'now' | date: '" + "%Y" * 1000 + "' }}",
        "{{ '1e400' | ceil }}",
        "{% break %}",
    ],
)
def test_a_template_that_would_never_end_is_refused(source: str) -> None:
    refuse(source)


BIG = "x" * 900_000


@pytest.mark.parametrize(
    ("source", "data"),
    [
        ("{% for i in (1..9999) %}{% if data.a contains 'y' %}x{% endif %}{% endfor %}", BIG),
        ("{% for i in (1..3000) %}{% if data.a == data.a %}x{% endif %}{% endfor %}", [1] * 9_000),
        ("{{ data.a | uniq | size }}", [str(number) for number in range(9_000)]),
        ("{{ data.a | split: '' | join: ',' }}", BIG),
        ("{{ data.a | newline_to_br | url_encode | escape }}", "\n" * 300_000),
        ("{{ data.a | strip_html }}", "<a " * 300_000),
        ("{{ data.a | escape_once }}", "&amp" * 200_000),
        ("{{ data.a | date: '%Y' }}", "1 " * 1_000),
        ("{{ data.a }}{{ data.a }}", BIG),
        ("{{ data.a | join: data.a }}", ["a" * 500] * 1_000),
        ("{{ data.a | where: 'a', 1 | size }}" * 100, [{"a": 1}] * 5_000),
    ],
)
def test_no_data_makes_an_accepted_template_run_long(source: str, data: object) -> None:
    refuse(source, {"a": data})


def test_an_order_of_a_thousand_lines_still_renders() -> None:
    source = (
        "{% for row in data.rows %}<tr><td>{{ row.name }}</td><td>{{ row.quantity }}</td>"
        "<td>{{ row.price | times: 100 | round }}</td></tr>{% endfor %}"
    )
    rows = [{"name": "Widget", "quantity": 2, "price": 9.5}] * 1_000
    compile_part(SmsContent(text=source), Channel.SMS).render({"data": {"rows": rows}})

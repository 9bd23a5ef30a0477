"""What a part becomes: text for its channel, escaped in HTML, on one line in a header."""

import pytest

from fogbell.model.content import (
    AppriseContent,
    EmailContent,
    InboxContent,
    Part,
    PushContent,
    SmsContent,
    WebhookContent,
)
from fogbell.model.status import Channel
from fogbell.rendering import (
    InvalidFieldError,
    MissingVariableError,
    RenderedEmail,
    RenderedInbox,
    RenderedPush,
    RenderedSms,
    RenderedWebhook,
    RenderingError,
    TemplateSyntaxError,
    check_part,
    compile_part,
    preview,
    template_context,
    undeclared,
)

CONTEXT = template_context(
    {"id": "ann", "locale": "en", "attributes": {"first_name": "Ann & Bob"}},
    {"order": "A-1", "items": [{"name": "bell"}, {"name": "<horn>"}], "evil": "a\r\nBcc: x@y.z"},
    "n-1",
)


def email(subject: str = "Hi", **fields: object) -> EmailContent:
    return EmailContent.model_validate({"subject": subject, "text": "text"} | fields)


def text_of(source: str, context: dict[str, object] = CONTEXT) -> str:
    rendered = compile_part(SmsContent(text=source), Channel.SMS).render(context)
    assert isinstance(rendered, RenderedSms)
    return rendered.text


def test_every_field_of_an_email_is_rendered_and_only_its_html_is_escaped() -> None:
    part = email(
        subject="Hi {{ recipient.attributes.first_name }}",
        text="{{ data.order }} {{ recipient.attributes.first_name }}",
        html="<p>{{ recipient.attributes.first_name }}</p>",
        **{"from": "Shop {{ data.order }} <shop@example.org>"},
        reply_to="{{data.order}}@example.org",
        headers={"List-Unsubscribe": "<https://example.org/u/{{ recipient.id }}>"},
    )
    assert compile_part(part, Channel.EMAIL).render(CONTEXT) == RenderedEmail(
        subject="Hi Ann & Bob",
        text="A-1 Ann & Bob",
        html="<p>Ann &amp; Bob</p>",
        from_="Shop A-1 <shop@example.org>",
        reply_to="A-1@example.org",
        headers={"List-Unsubscribe": "<https://example.org/u/ann>"},
    )


@pytest.mark.parametrize(
    ("part", "channel", "expected"),
    [
        (SmsContent(text="{{ notification.id }}"), Channel.SMS, RenderedSms("n-1")),
        (
            PushContent(title="{{ data.order }}", body="b", data={"k": "{{ recipient.id }}"}),
            Channel.PUSH,
            RenderedPush("A-1", "b", {"k": "ann"}),
        ),
        (
            WebhookContent(
                type="order.{{ data.order }}",
                data={"a": {"b": ["{{ data.order }}", 1, None, True]}, "c": 1.5},
            ),
            Channel.WEBHOOK,
            RenderedWebhook("order.A-1", {"a": {"b": ["A-1", 1, None, True]}, "c": 1.5}),
        ),
        (
            InboxContent(title="{{ recipient.attributes.first_name }}", url="/o/{{ data.order }}"),
            Channel.INBOX,
            RenderedInbox("Ann & Bob", "", "/o/A-1", {}),
        ),
    ],
)
def test_each_channel_has_its_own_fields(part: Part, channel: Channel, expected: object) -> None:
    assert compile_part(part, channel).render(CONTEXT) == expected


def test_a_renderings_data_is_its_own() -> None:
    compiled = compile_part(WebhookContent(type="t", data={"list": [1]}), Channel.WEBHOOK)
    first = compiled.render({})
    assert isinstance(first, RenderedWebhook)
    first.data["list"] = None
    assert compiled.render({}) == RenderedWebhook("t", {"list": [1]})


@pytest.mark.parametrize(
    "evil", ["a\r\nBcc: x@y.z", "a\nb", "a\rb", "a\u2028b", "a\x00b", "a\x85b"]
)
@pytest.mark.parametrize(
    ("part", "channel", "path"),
    [
        (email(subject="{{ data.evil }}"), Channel.EMAIL, "email/subject"),
        (email(**{"from": "{{ data.evil }} <a@b.c>"}), Channel.EMAIL, "email/from"),
        (email(reply_to="{{data.evil}}@b.c"), Channel.EMAIL, "email/reply_to"),
        (
            email(headers={"List-Id": "{{ data.evil }}"}),
            Channel.EMAIL,
            "email/headers/List-Id",
        ),
        (PushContent(title="{{ data.evil }}"), Channel.PUSH, "push/title"),
        (WebhookContent(type="{{ data.evil }}"), Channel.WEBHOOK, "webhook/type"),
        (AppriseContent(title="{{ data.evil }}", body="b"), Channel.APPRISE, "apprise/title"),
        (InboxContent(title="{{ data.evil }}"), Channel.INBOX, "inbox/title"),
        (InboxContent(title="t", url="{{ data.evil }}"), Channel.INBOX, "inbox/url"),
    ],
)
def test_no_data_ever_adds_a_line_to_a_header(
    part: Part, channel: Channel, path: str, evil: str
) -> None:
    with pytest.raises(RenderingError, match="single line") as caught:
        compile_part(part, channel).render({"data": {"evil": evil}})
    assert caught.value.path == path
    assert "Bcc" not in str(caught.value)


def test_a_line_break_at_the_end_of_a_subject_is_dropped() -> None:
    rendered = compile_part(email(subject="{{ data.name }}"), Channel.EMAIL).render(
        {"data": {"name": "Ann\n"}}
    )
    assert isinstance(rendered, RenderedEmail)
    assert rendered.subject == "Ann"


def test_a_reply_to_that_renders_to_no_address_is_refused() -> None:
    compiled = compile_part(email(reply_to="{{data.desk}}@example.org"), Channel.EMAIL)
    with pytest.raises(RenderingError, match="email/reply_to"):
        compiled.render({"data": {"desk": "two words"}})


def test_an_unknown_variable_is_empty_text_and_counted_once_for_each_use() -> None:
    unknown: list[int] = []
    part = SmsContent(text="[{{ data.nope }}|{{ nowhere.at.all | upcase }}|{{ data.order }}]")
    rendered = compile_part(part, Channel.SMS).render(CONTEXT, lambda: unknown.append(1))
    assert rendered == RenderedSms("[||A-1]")
    assert len(unknown) == 2


def test_asking_whether_a_variable_is_there_is_no_use_of_it() -> None:
    source = (
        "{{ data.nope | default: 'there' }}{% if data.nope %}x{% endif %}"
        "{% unless data.nope == 'a' %}!{% endunless %}"
    )
    assert undeclared(SmsContent(text=source), CONTEXT, Channel.SMS) == {}
    assert text_of(source) == "there!"


def test_a_preview_names_every_missing_variable_and_its_field_at_once() -> None:
    part = email(
        subject="{{ data.nope }} {{ data.nope }}",
        text="{% for item in data.lines %}x{% endfor %}{{ data.when | date: '%Y' }}",
        html="{{ data.order }}{% for item in data.items %}{{ item.price }}{% endfor %}",
    )
    with pytest.raises(MissingVariableError) as caught:
        preview(part, Channel.EMAIL, CONTEXT)
    assert caught.value.missing == {
        "email/subject": ["data.nope"],
        "email/text": ["data.lines", "data.when"],
        "email/html": ["item.price"],
    }


def test_only_the_names_given_are_in_sight() -> None:
    assert undeclared(SmsContent(text="{{ now }}{{ today }}"), CONTEXT, Channel.SMS) == {
        "sms/text": ["now", "today"]
    }


@pytest.mark.parametrize(
    ("source", "line", "words"),
    [
        ("ok\n{{ data.order", 2, "expected '}}'"),
        ("{% if data.order %}\n\n{{ data.x | nosuch }}{% endif %}", 3, "no filter 'nosuch'"),
        ("{% include 'x' %}", 1, "'include' is not available"),
        ("\n{% render 'x' %}", 2, "'render' is not available"),
        ("{% frobnicate %}", 1, "unexpected tag 'frobnicate'"),
        ("{{ (1..3) | join: '' }}", 1, "range"),
        ("{% assign r = (1..3) %}", 1, "range"),
        ("{% if a %}", 1, "found the end"),
    ],
)
def test_a_syntax_error_names_the_field_and_the_line(source: str, line: int, words: str) -> None:
    with pytest.raises(TemplateSyntaxError, match=words) as caught:
        check_part(email(text=source), Channel.EMAIL)
    assert (caught.value.path, caught.value.line) == ("email/text", line)


def test_a_syntax_error_deep_in_the_data_is_named_by_its_pointer() -> None:
    with pytest.raises(TemplateSyntaxError) as caught:
        check_part(InboxContent(title="t", data={"a": [{"b": "{{"}]}), Channel.INBOX)
    assert caught.value.path == "inbox/data/a/0/b"


@pytest.mark.parametrize("sender", ["nobody", "Shop <shop>", "a@b.org, c@d.org", " "])
def test_a_sender_that_would_be_wrong_for_everybody_is_refused_before_it_is_stored(
    sender: str,
) -> None:
    part = email(from_=sender)
    with pytest.raises(InvalidFieldError, match=r"^email/from: ") as caught:
        check_part(part, Channel.EMAIL)
    assert "b.org" not in caught.value.detail
    compile_part(part, Channel.EMAIL)  # what has been stored can be read


@pytest.mark.parametrize(
    "sender", ["", "shop@example.org", "Shop <shop@example.org>", "{{ data.sender }}"]
)
def test_a_sender_that_may_be_right_is_taken(sender: str) -> None:
    check_part(email(from_=sender), Channel.EMAIL)


def test_content_of_another_channel_is_refused() -> None:
    with pytest.raises(ValueError, match="expected content for sms"):
        compile_part(email(), Channel.SMS)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{% for i in data.items %}{{ forloop.index }}{{ i.name }};{% endfor %}", "1bell;2<horn>;"),
        ("{% for i in (1..3) reversed %}{{ i }}{% endfor %}", "321"),
        ("{% assign a = 'x,y' | split: ',' %}{{ a | join: '+' }}", "x+y"),
        ("{% capture c %}[{{ data.order }}]{% endcapture %}{{ c }}{{ c }}", "[A-1][A-1]"),
        ("{% case data.order %}{% when 'A-1' %}one{% else %}other{% endcase %}", "one"),
        ("a {%- comment %} {{ no }} {% endcomment -%} b", "ab"),
        ("{% raw %}{{ data.order }}{% endraw %}", "{{ data.order }}"),
        ("a {{- data.order -}} b", "aA-1b"),
        ("{% doc %} {{ {% enddoc %}x", "x"),
        (
            "{{ data.items.size }}{{ data.items.first.name }}{{ data.items[1]['name'] }}",
            "2bell<horn>",
        ),
        ("{{ '<b>bold</b> & <script>x</script>' | strip_html }}", "bold & "),
        ("{{ '2026-11-22T23:30:00Z' | date: '%d %b %Y' }}", "22 Nov 2026"),
        ("{{ 'March 14, 2016' | date: '%F' }}", "2016-03-14"),
        ("{{ 0 | date: '%F %H' }}", "1970-01-01 00"),
        ("{% increment n %}{% increment n %}{% cycle 'a', 'b' %}", "01a"),
        ("{}}} %} plain {", "{}}} %} plain {"),
        ("{{ 1 | divided_by: 4.0 }}", "0.25"),
        ("{{ data.items | map: 'name' | sort | first }}", "<horn>"),
    ],
)
def test_liquid_means_what_it_means_elsewhere(source: str, expected: str) -> None:
    assert text_of(source) == expected


def test_escaping_cannot_be_undone_by_filters_of_the_data() -> None:
    filters = ["append: ''", "replace: 'x', ''", "strip_html", "split: ',' | join: ','", "upcase"]
    for applied in [*filters, "prepend: ''", "newline_to_br", "truncate: 90", "url_decode"]:
        part = email(html="{{ data.name | " + applied + " }}")
        rendered = compile_part(part, Channel.EMAIL).render({"data": {"name": "1 < 2 <IMG"}})
        assert isinstance(rendered, RenderedEmail)
        assert "<IMG" not in str(rendered.html).upper()


def test_an_error_while_rendering_never_quotes_the_data() -> None:
    for source in ("{{ data.secret | divided_by: 0 }}", "{{ data.secret | sum: 3 | slice: data }}"):
        with pytest.raises(RenderingError) as caught:
            text_of(source, {"data": {"secret": "s3cr3t"}})
        assert "s3cr3t" not in str(caught.value)
        assert caught.value.path == "sms/text"

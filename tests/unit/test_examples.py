"""The examples of docs/ show all there is, and comparing them with what is printed can fail."""

import re

import pytest
from tests.support import examples

from fogbell.model.status import Channel
from fogbell_intake.routes import TABLE


def test_every_route_is_shown_by_an_example() -> None:
    missing = {(route.method, route.path) for route in TABLE} - examples.shown_routes()
    assert missing == set(), "show these in docs/examples/http"


def test_every_channel_is_shown_by_an_example() -> None:
    text = "".join(page.read_text() for page in examples.PAGES)
    alone = set(re.findall(r'"channels": \["(\w+)"\]', text))
    assert alone == {channel.value for channel in Channel}, "show each in docs/examples/http"


def test_every_page_is_reached_from_the_index() -> None:
    linked = set(re.findall(r"\]\(([\w-]+\.md)\)", examples.INDEX.read_text()))
    assert linked == {page.name for page in examples.PAGES}


def test_a_route_that_is_none_is_named() -> None:
    with pytest.raises(AssertionError, match="GET /v1/bells"):
        list(examples.routes("curl -sS $FOGBELL_URL/v1/bells"))


def test_the_routes_of_commands_are_found_however_they_are_written() -> None:
    commands = """\
ID=$(field id posted.json)   # curl is not asked here
curl -sS "$FOGBELL_URL/v1/recipients?group=a&limit=2" | tee page.json; curl $FOGBELL_URL/healthz
curl -X PUT -H "$AUTH" \\
  $FOGBELL_URL/v1/recipients/$(field id x.json) -d '
  {"url": "'$SINK_URL'/curl", "text": "a|b"}'
"""
    assert list(examples.routes(commands)) == [
        ("GET", "/v1/recipients"),
        ("GET", "/healthz"),
        ("PUT", "/v1/recipients/{id}"),
    ]


SHOWN = '{"id": "3fc67825-99a7-83f1-8ae6-4a9702b12f2a", "links": {...},\n "total": 1}'


@pytest.mark.parametrize(
    "answered",
    [
        '{"id":"01a20591-c359-72a6-840b-b5f5aa08b8a6","links":{"self":"/x"},"total":1}',
        '{"id": "01a20591-c359-72a6-840b-b5f5aa08b8a6", "links": {}, "new": 7, "total": 1}\n',
    ],
)
def test_ids_and_what_was_left_out_may_differ_and_answers_may_grow(answered: str) -> None:
    assert examples.agree(SHOWN, answered)


@pytest.mark.parametrize(
    "answered",
    [
        "",
        '{"id":"01a20591-c359-72a6-840b-b5f5aa08b8a6","links":{},"total":2}',
        '{"id":"1","links":{},"total":1}',
        '{"id":"01a20591-c359-72a6-840b-b5f5aa08b8a6","links":{},"total":true}',
        '{"id":"01a20591-c359-72a6-840b-b5f5aa08b8a6","total":1}',
        '[{"id":"01a20591-c359-72a6-840b-b5f5aa08b8a6","links":{},"total":1}]',
    ],
)
def test_anything_else_may_not(answered: str) -> None:
    assert not examples.agree(SHOWN, answered)

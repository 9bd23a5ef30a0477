"""What the demo says of providers, and whom it writes to. Pure."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

from fogbell.model.status import Channel
from fogbell_local.demo import audience
from fogbell_local.demo.providers import by_provider, recognised
from fogbell_local.sink import Entry, Outcome

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TEXT = Entry(NOW, Channel.SMS, "", Outcome.ACCEPTED, to=("+1",), provider="gateway-b", text="T")
REFUSED = replace(TEXT, outcome=Outcome.REFUSED, provider="gateway-a")
PUSH = Entry(NOW, Channel.PUSH, "d", Outcome.ACCEPTED, to=("t",), provider="fcm", text="T")
MAIL = Entry(NOW, Channel.EMAIL, "m", Outcome.ACCEPTED, "<m@x>", ("a@x.test",), 9)


def test_each_channel_says_on_one_line_what_its_providers_did() -> None:
    taken = replace(TEXT, provider="gateway-a")
    assert by_provider([PUSH, MAIL, *[REFUSED] * 12, *[TEXT] * 50]) == [
        "sms: gateway-a 12 refused, gateway-b 50 delivered",
        "push: fcm 1 delivered",
    ]
    assert by_provider([taken, REFUSED]) == ["sms: gateway-a 1 delivered and 1 refused"]
    assert by_provider([MAIL]) == []


def test_a_text_is_recognised_by_its_number_and_nothing_else_is_touched() -> None:
    id_ = UUID(int=7)
    stranger = replace(TEXT, to=("+2",))
    assert recognised([TEXT, stranger, PUSH, MAIL], {"+1": id_}) == [
        replace(TEXT, delivery=str(id_)), stranger, PUSH, MAIL,
    ]  # fmt: skip


def test_every_one_of_the_thousand_has_a_number_of_their_own() -> None:
    people = audience.people(audience.read("http://127.0.0.1:1"))
    assert len(people) == len({person.phone for person in people}) == 1000
    assert all(audience.GROUP in person.groups for person in people)
    assert sum(audience.ON_CALL in person.groups for person in people) == 124

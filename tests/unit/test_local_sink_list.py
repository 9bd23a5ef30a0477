"""What ``fogbell sink list`` shows."""

from datetime import UTC, datetime

from fogbell.model.status import Channel
from fogbell_local.cli_sink import chosen, describe
from fogbell_local.sink import Entry, Outcome

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
TEXT = Entry(
    NOW, Channel.SMS, "", Outcome.REFUSED, to=("+1",), provider="gateway-a", text="Ring\x1b[2J"
)
MAIL = Entry(NOW, Channel.EMAIL, "d", Outcome.ACCEPTED, "<d@x>", ("a@x.test", "b@x.test"), 9)
HOOK = Entry(NOW, Channel.WEBHOOK, "d", Outcome.ACCEPTED, path="/in")


def test_the_newest_of_a_channel_are_shown_in_their_order() -> None:
    assert chosen([MAIL, TEXT, HOOK], None, 2) == [TEXT, HOOK]
    assert chosen([MAIL, TEXT, HOOK], Channel.EMAIL, 2) == [MAIL]


def test_an_entry_is_one_line_that_cannot_draw_on_the_terminal() -> None:
    assert describe(TEXT).split()[1:] == ["sms", "refused", "gateway-a", "+1", '"Ring\\u001b[2J"']
    assert describe(MAIL).split()[1:] == ["email", "accepted", "a@x.test,", "b@x.test"]
    assert describe(HOOK).split()[1:] == ["webhook", "accepted", "/in"]

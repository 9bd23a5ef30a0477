"""Whatever a post says, a relay hears the commands of one mail to one address, and nothing else.

What is generated goes the whole way that a post goes: the model's rules, rendering, composing, and
the dialogue with a real relay.
"""

import email
import email.policy
from email.message import EmailMessage

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.support.smtp import PLAIN_HELLO, Relay, relay, sender, work

from fogbell.model.content import EmailContent
from fogbell.model.outcome import Outcome, Reply

EVIL = "eve@example.org"
PIECES = [
    "\r\n", "\n", "\r", "\0", "\u2028", "\x85", " ", ">", "<", ",", ";", ":", '"', "\\", "%0d%0a",
    "=?utf-8?q?=0D=0ABcc:_eve@example.org?=", "=?utf-8?b?DQpCY2M6IGV2ZUBleGFtcGxlLm9yZw==?=",
    f"Bcc: {EVIL}", f"RCPT TO:<{EVIL}>", "DATA", ".", "RSET", "SIZE=1", "é", "漢", "\u202e", "Ann",
    "ann@example.org", "@", "\uff1cx\uff1e", "\u010d\u010a", "\u560d\u560a",
]  # fmt: skip
TEXT = st.lists(st.sampled_from(PIECES) | st.text(max_size=4), max_size=6).map("".join)
ADDRESSES = st.builds("{}{}{}".format, TEXT, st.just("ann@example.org"), TEXT) | TEXT
FIELDS = ("From", "To", "Subject", "Reply-To", "List-Id", "List-Unsubscribe")
MOST = settings(max_examples=80)


async def _sent(content: EmailContent, address: str, value: str) -> tuple[Relay, Reply]:
    """What the relay heard, without pipelining: every line that it takes for a command shows."""
    async with relay({"EHLO": PLAIN_HELLO}) as server, sender(server.port) as channel:
        reply = (await channel.send(work(content, email=address, value=value))).reply
    return server, reply


def _assert_one_mail(server: Relay, reply: Reply, address: str) -> EmailMessage | None:
    """It was refused before a word was said, or the relay heard one mail and nothing else."""
    if reply.outcome is not Outcome.ACCEPTED:
        assert reply.outcome is Outcome.PERMANENT
        assert (server.sessions, server.mails) == (0, [])
        return None
    words = [line.split(" ")[0].upper() for line in server.heard]
    assert words == ["EHLO", "MAIL", "RCPT", "DATA", "QUIT"], server.heard
    _, sender_line, recipient_line, *_ = server.heard
    assert recipient_line == f"RCPT TO:<{address}>"
    assert sender_line.partition(">")[2].strip() in ("", "BODY=7BIT")
    (raw,) = server.mails
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    assert not message.defects
    return message


@MOST
@given(ADDRESSES)
@example(f"ann@example.org>\r\nRCPT TO:<{EVIL}")
@example(f"ann@example.org\r\nDATA\r\nSubject: x\r\n\r\n.\r\nMAIL FROM:<{EVIL}>")
async def test_an_address_is_refused_or_is_the_one_recipient_that_a_relay_hears(
    address: str,
) -> None:
    try:
        item = work(EmailContent(subject="Hi", text="Hi"), email=address)
    except ValidationError:
        return
    taken = item.addresses.email
    assert taken is not None
    async with relay({"EHLO": PLAIN_HELLO}) as server, sender(server.port) as channel:
        reply = (await channel.send(item)).reply
    message = _assert_one_mail(server, reply, taken)
    assert message is not None
    assert message["To"].addresses[0].addr_spec == taken
    assert len(message["To"].addresses) == 1


CONTENTS = {
    "subject": EmailContent(subject="{{ data.value }}", text="Hi"),
    "a display name": EmailContent.model_validate(
        {"subject": "Hi", "text": "Hi", "from": "{{ data.value }} <shop@example.org>"}
    ),
    "a whole sender": EmailContent.model_validate(
        {"subject": "Hi", "text": "Hi", "from": "{{ data.value }}"}
    ),
    "a reply address": EmailContent(subject="Hi", text="Hi", reply_to="{{data.value}}@example.org"),
    "a list's name": EmailContent(
        subject="Hi", text="Hi", headers={"List-Id": "{{ data.value }} <list.example.org>"}
    ),
    "a structured header": EmailContent(
        subject="Hi",
        text="Hi",
        headers={"List-Unsubscribe": "<https://x.example/{{ data.value }}>"},
    ),
    "a body": EmailContent(subject="Hi", text="{{ data.value }}", html="<p>{{ data.value }}</p>"),
}
OURS = {"From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type"}


@pytest.mark.parametrize("place", CONTENTS)
@settings(MOST, max_examples=25)
@given(TEXT)
@example(f"Ann\r\nBcc: {EVIL}")
@example(f"\r\n.\r\nMAIL FROM:<{EVIL}>\r\nRCPT TO:<{EVIL}>\r\nDATA\r\n")
@example("=?utf-8?q?=0D=0ABcc:_eve@example.org?=")
async def test_no_data_makes_a_header_a_recipient_or_a_command(place: str, value: str) -> None:
    content = CONTENTS[place]
    server, reply = await _sent(content, "ann@example.org", value)
    message = _assert_one_mail(server, reply, "ann@example.org")
    if message is None:
        return
    extra = {"Content-Transfer-Encoding", "Reply-To", *content.headers}
    assert set(message.keys()) <= OURS | extra
    assert len(message.keys()) == len(set(message.keys()))
    assert [a.addr_spec for a in message["To"].addresses] == ["ann@example.org"]
    assert len(message["From"].addresses) == 1

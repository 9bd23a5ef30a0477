"""Composed mails are held equal to what the standard library parses."""

import email
import email.policy
import re
import uuid
from datetime import UTC, datetime
from email.message import EmailMessage

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fogbell.rendering import RenderedEmail
from fogbell_worker.channels.email.compose import (
    MAX_LINE,
    Mail,
    compose,
    encode_body,
    skeleton,
    stuff_dots,
)
from fogbell_worker.channels.email.headers import InvalidHeaderError

NOW = datetime(2026, 3, 1, 12, 30, 15, tzinfo=UTC)
KEY = str(uuid.UUID(int=7))
CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")

ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]))
LINES = st.lists(
    st.one_of(
        ANY_TEXT,
        st.sampled_from(
            [".", "..", ".dot", "--", "--=_", "From x", "=", "a ", "\t", "\0", "🙂", "שלום"]
        ),
        st.builds(str.__mul__, st.sampled_from(["x", "é", " ", "漢", "ab "]), st.integers(0, 1200)),
    ),
    max_size=8,
)
BODIES = st.builds(
    lambda lines, end: end.join(lines), LINES, st.sampled_from(["\n", "\r\n", "\r", "\n\n"])
)
ONE_LINE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"))


def rendered(
    subject: str = "Hello",
    text: str | None = "Hi\n",
    html: str | None = None,
    from_: str | None = None,
    reply_to: str | None = None,
    headers: dict[str, str] | None = None,
) -> RenderedEmail:
    return RenderedEmail(subject, text, html, from_, reply_to, headers or {})


def composed(part: RenderedEmail, envelope_from: str | None = None) -> Mail:
    return compose(
        part,
        to="ann@example.org",
        default_from="Fogbell <bell@example.net>",
        message_id=f"{KEY}@example.net",
        now=NOW,
        envelope_from=envelope_from,
    )


def parsed(mail: Mail) -> EmailMessage:
    message = email.message_from_bytes(mail.message, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    assert not message.defects
    return message


def as_lines(text: str) -> list[str]:
    """A body's lines, as any mail reader sees them."""
    normal = text.replace("\r\n", "\n").replace("\r", "\n")
    return (normal if normal.endswith("\n") else normal + "\n").split("\n")


def body(message: EmailMessage, kind: str) -> list[str] | None:
    part = message.get_body((kind,))
    assert part is None or isinstance(part, EmailMessage)
    return None if part is None else as_lines(part.get_content())


@settings(max_examples=300)
@given(ONE_LINE, st.none() | BODIES, BODIES, st.booleans())
def test_what_is_composed_is_what_the_standard_library_reads(
    subject: str, text: str | None, html: str, with_html: bool
) -> None:
    use_html = html if with_html or text is None else None
    mail = composed(rendered(subject, text, use_html))
    message = parsed(mail)
    assert str(message["Subject"] or "") == CONTROLS.sub(" ", subject).strip()
    assert body(message, "plain") == (None if text is None else as_lines(text))
    assert body(message, "html") == (None if use_html is None else as_lines(use_html))


@settings(max_examples=200)
@given(ONE_LINE, BODIES, BODIES)
def test_every_mail_is_ascii_in_lines_that_any_relay_takes(
    subject: str, text: str, html: str
) -> None:
    message = composed(rendered(subject, text, html)).message
    assert message.isascii()
    assert b"\0" not in message
    assert message.endswith(b"\r\n")
    lines = message.split(b"\r\n")
    assert not any(b"\r" in line or b"\n" in line for line in lines)
    assert max(map(len, lines)) <= MAX_LINE


@given(st.lists(st.sampled_from([b".", b"a", b"\r\n", b"..", b" "])))
def test_a_stuffed_message_never_holds_the_final_dot_and_unstuffs_to_itself(
    parts: list[bytes],
) -> None:
    message = b"".join(parts) + b"\r\n"
    stuffed = stuff_dots(message)
    assert b"\r\n.\r\n" not in b"\r\n" + stuffed
    lines = [line.removeprefix(b".") for line in stuffed.split(b"\r\n")]
    assert b"\r\n".join(lines) == message


@given(BODIES)
def test_a_body_is_encoded_as_the_standard_library_would_have_it_read(text: str) -> None:
    ours = parsed(composed(rendered(text=text)))
    theirs = EmailMessage(policy=email.policy.SMTP)
    theirs.set_content(text)
    read = email.message_from_bytes(theirs.as_bytes(), policy=email.policy.default)
    assert isinstance(read, EmailMessage)
    assert body(ours, "plain") == body(read, "plain")


def test_plain_ascii_travels_readable_and_everything_else_quoted_printable() -> None:
    assert encode_body("Hi\nthere", "=_b") == (b"7bit", b"Hi\r\nthere\r\n")
    for text in ("é", "x" * 999, "a\0b", "--=_b"):
        assert encode_body(text, "=_b")[0] == b"quoted-printable"


def test_a_body_that_quotes_the_boundary_does_not_end_its_part() -> None:
    boundary = skeleton(text=True, html=True).boundary
    text = f"--{boundary}\nContent-Type: text/html\n\n<b>forged</b>\n--{boundary}--\n"
    message = parsed(composed(rendered(text=text, html="<p>ours</p>")))
    assert body(message, "plain") == as_lines(text)
    assert body(message, "html") == as_lines("<p>ours</p>")


def test_the_headers_of_a_mail() -> None:
    mail = composed(
        rendered(
            from_="Läden & Söhne <shop@example.com>",
            reply_to="help@example.com",
            headers={"List-Unsubscribe": "<https://example.com/u?a=1>", "List-Id": ""},
        )
    )
    message = parsed(mail)
    assert message.keys() == [
        "From", "To", "Subject", "Date", "Message-ID", "Reply-To", "List-Unsubscribe",
        "Content-Type", "Content-Transfer-Encoding", "MIME-Version",
    ]  # fmt: skip
    assert message["From"].addresses[0].display_name == "Läden & Söhne"
    assert message["To"].addresses[0].addr_spec == "ann@example.org"
    assert message["Date"].datetime == NOW
    assert message["Message-ID"] == f"<{KEY}@example.net>"
    assert message["List-Unsubscribe"] == "<https://example.com/u?a=1>"
    assert (mail.sender, mail.recipient) == ("shop@example.com", "ann@example.org")


def test_bounces_go_where_the_settings_say() -> None:
    assert composed(rendered()).sender == "bell@example.net"
    assert composed(rendered(), envelope_from="bounce@example.net").sender == "bounce@example.net"


@pytest.mark.parametrize(
    "part",
    [
        rendered(subject="a\nBcc: eve@example.org"),
        rendered(from_="a\r\nBcc: eve@example.org <a@b.org>"),
        rendered(reply_to="a@b.org\nBcc: eve@example.org"),
        rendered(headers={"References": "<a>\r\n\r\nbody"}),
    ],
)
def test_no_rendered_value_ever_makes_a_header(part: RenderedEmail) -> None:
    with pytest.raises(InvalidHeaderError):
        composed(part)

"""Header values: what is refused, and what every reader gets back."""

import email
import email.policy
import re
from email.header import decode_header, make_header

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fogbell_worker.channels.email.headers import (
    InvalidHeaderError,
    mailbox,
    split_mailbox,
    structured,
    unstructured,
)

CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
ONE_LINE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"))
NAMES = st.one_of(ONE_LINE, st.text('abc "\\=?_.,;:<>()[]@éß漢🙂ש', min_size=1))


def plain(text: str) -> str:
    return CONTROLS.sub(" ", text).strip()


def parsed(name: str, value: str) -> email.message.EmailMessage:
    raw = f"{name}: {value}\r\nX-Next: here\r\n\r\n".encode("ascii")
    assert all(len(line) <= 78 or b" " not in line.strip() for line in raw.split(b"\r\n"))
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert message.keys() == [name, "X-Next"]
    return message


@given(ONE_LINE)
def test_a_subject_reads_back_as_it_was(subject: str) -> None:
    message = parsed("Subject", unstructured("Subject", subject))
    assert str(message["Subject"]) == plain(subject)


@pytest.mark.parametrize("text", ["=?utf-8?q?forged?=", "a =?utf-8?b?Zm9yZ2Vk?= b"])
def test_what_looks_like_an_encoded_word_reads_back_as_it_was(text: str) -> None:
    assert str(parsed("Subject", unstructured("Subject", text))["Subject"]) == text
    assert read_display(mailbox("From", f"{text} <ann@example.org>")[0]) == text
    address = parsed("From", mailbox("From", f"{text} <ann@example.org>")[0])["From"].addresses[0]
    assert address.display_name == text


@given(ONE_LINE)
def test_every_line_of_an_encoded_subject_is_short(subject: str) -> None:
    value = unstructured("Subject", "é" + subject)
    assert max(len(line) for line in f"Subject: {value}".split("\r\n")) <= 76


@given(NAMES)
def test_a_display_name_reads_back_as_it_was(display: str) -> None:
    quoted = display.replace("\\", "\\\\").replace('"', '\\"')
    value, address = mailbox("From", f'"{quoted}" <Ann@Example.org>')
    assert address == "Ann@example.org"
    message = parsed("From", value)
    assert [a.addr_spec for a in message["From"].addresses] == [address]
    assert read_display(value) == plain(display)


def read_display(value: str) -> str:
    """The display name as RFC 2047 has it.

    Python 3.11's structured parser keeps the space between two encoded words in a phrase, which
    readers must drop (6.2); its older reader gets that right, but does not undo quoted pairs.
    """
    display = value.rpartition("<")[0].replace("\r\n", "").strip()
    if display.startswith('"'):
        return re.sub(r"\\(.)", r"\1", display[1:-1])
    return str(make_header(decode_header(display)))


@given(NAMES)
def test_the_standard_library_reads_a_short_display_name_too(display: str) -> None:
    quoted = display[:8].replace("\\", "\\\\").replace('"', '\\"')
    value, _ = mailbox("From", f'"{quoted}" <ann@example.org>')
    read = parsed("From", value)["From"].addresses[0].display_name
    assert read.split() == plain(display[:8]).split()  # it runs spaces together


@pytest.mark.parametrize("break_", ["\r", "\n", "\r\n", "\r\n "])
@pytest.mark.parametrize("fill", [unstructured, structured, mailbox])
def test_a_line_end_in_a_header_is_refused(fill: object, break_: str) -> None:
    with pytest.raises(InvalidHeaderError, match="single line") as caught:
        fill("X-Header", f"a{break_}Bcc: eve@example.org")  # type: ignore[operator]
    assert "eve" not in str(caught.value)


@pytest.mark.parametrize(
    "value",
    ["", "Ann", "ann@", "<ann@example.org> x", "a@b.org, c@d.org", "é@b.org"],
)
def test_a_sender_without_one_address_is_refused_without_repeating_it(value: str) -> None:
    with pytest.raises(InvalidHeaderError) as caught:
        split_mailbox("From", value)
    assert "@b.org" not in str(caught.value)


@given(st.lists(st.text("abc<>,:/?=@._-", min_size=1, max_size=120), min_size=1, max_size=20))
def test_a_structured_header_is_folded_between_words_only(words: list[str]) -> None:
    text = " ".join(words)
    value = structured("List-Unsubscribe", text)
    assert value.replace("\r\n", "") == text
    parsed("List-Unsubscribe", value)


@pytest.mark.parametrize("value", ["<https://example.org/é>", "x" * 901])
def test_a_structured_header_that_would_need_encoding_is_refused(value: str) -> None:
    with pytest.raises(InvalidHeaderError, match="List-Unsubscribe"):
        structured("List-Unsubscribe", value)


def test_a_list_id_may_carry_a_phrase() -> None:
    value = structured("List-Id", "Größe <news.example.org>")
    assert str(parsed("List-Id", value)["List-Id"]) == "Größe <news.example.org>"


def test_long_names_and_subjects_in_ascii_stay_readable_where_they_fit() -> None:
    assert mailbox("From", "The Shop <a@b.org>")[0] == "The Shop <a@b.org>"
    assert mailbox("From", "Shop, Inc. <a@b.org>")[0] == '"Shop, Inc." <a@b.org>'
    assert unstructured("Subject", "word " * 40).startswith("word word")

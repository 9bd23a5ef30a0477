"""SMTP replies: from bytes, however they are cut, to values."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fogbell_worker.channels.email.replies import MalformedReplyError, ReplyParser, SmtpReply

STREAM = (
    b"250-first\r\n250 2.1.0 last\r\n550-5.1.1 no such\r\n550 5.1.1 user\r\n354\n421 4.7.0 bye\r\n"
)
REPLIES = [
    SmtpReply(250, "2.1.0", "first last"),
    SmtpReply(550, "5.1.1", "no such user"),
    SmtpReply(354, None, ""),
    SmtpReply(421, "4.7.0", "bye"),
]


@given(st.lists(st.integers(0, len(STREAM))))
def test_replies_are_the_same_however_the_bytes_arrive(cuts: list[int]) -> None:
    parser = ReplyParser()
    edges = [0, *sorted(cuts), len(STREAM)]
    pieces = [STREAM[a:b] for a, b in itertools.pairwise(edges)]
    assert [reply for piece in pieces for reply in parser.feed(piece)] == REPLIES


def test_an_enhanced_code_of_another_class_is_text() -> None:
    assert ReplyParser().feed(b"550 2.0.0 odd\r\n") == [SmtpReply(550, None, "2.0.0 odd")]


@pytest.mark.parametrize(
    "data",
    [
        b"hello\r\n",
        b"99 x\r\n",
        b"650 x\r\n",
        b"250x\r\n",
        b"\r\n",
        b"2" * 9000,
        b"250-x\r\n" * 20_000,
    ],
)
def test_what_is_no_reply_is_an_error_and_never_grows_without_bound(data: bytes) -> None:
    with pytest.raises(MalformedReplyError):
        ReplyParser().feed(data)


@given(st.lists(st.binary(max_size=50)))
def test_any_bytes_give_replies_or_the_one_error(chunks: list[bytes]) -> None:
    parser = ReplyParser()
    try:
        for chunk in chunks:
            assert all(isinstance(reply, SmtpReply) for reply in parser.feed(chunk))
    except MalformedReplyError:
        pass

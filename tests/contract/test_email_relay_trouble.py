"""What the sender makes of a relay that refuses, falls silent or breaks off."""

import asyncio
import socket
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.smtp import CLOSE, HELLO, PLAIN_HELLO, SILENCE, Answers, relay, sender, work
from tests.support.waiting import eventually

from fogbell.model.content import EmailContent
from fogbell.model.outcome import Attempt, Outcome, Reply

BIG = EmailContent(subject="Big", text="0123456789 " * 18_000)


async def answer(answers: Answers, **more: Any) -> Reply:
    async with relay(answers) as server, sender(server.port, **more) as channel:
        return (await channel.send(work())).reply


@pytest.mark.parametrize("hello", [HELLO, PLAIN_HELLO])
@pytest.mark.parametrize("word", ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA"])
async def test_a_connection_cut_before_the_final_dot_is_transient(word: str, hello: str) -> None:
    reply = await answer({"EHLO": hello} | {word: CLOSE})
    assert reply.outcome is Outcome.TRANSIENT
    assert reply.reason == (
        "connection_lost" if word in {"MAIL", "RCPT", "DATA"} else "relay_unreachable"
    )


@pytest.mark.parametrize("hello", [HELLO, PLAIN_HELLO])
async def test_a_connection_cut_after_the_final_dot_is_ambiguous(hello: str) -> None:
    reply = await answer({"EHLO": hello, ".": CLOSE})
    assert (reply.outcome, reply.reason) == (Outcome.AMBIGUOUS, "connection_lost")


@pytest.mark.parametrize("word", ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA"])
async def test_silence_before_the_final_dot_is_transient(word: str) -> None:
    reply = await answer({word: SILENCE}, send_timeout=0.3, connect_timeout=0.2)
    assert reply.outcome is Outcome.TRANSIENT
    assert reply.reason in {"timeout", "relay_unreachable"}


async def test_silence_after_the_final_dot_is_ambiguous() -> None:
    reply = await answer({".": SILENCE}, send_timeout=0.3, connect_timeout=0.2)
    assert (reply.outcome, reply.reason) == (Outcome.AMBIGUOUS, "timeout")


async def test_a_message_whose_end_never_left_this_machine_is_not_ambiguous() -> None:
    """The relay stops reading in the middle of a message that no socket's buffers hold."""
    huge = EmailContent(subject="Huge", text="🙂" * 199_000, html="🙂" * 199_000)
    stopped = asyncio.Event()

    async def read_the_envelope_only(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        writer.write(b"220 relay\r\n")
        await reader.readline()
        writer.write(PLAIN_HELLO.encode() + b"\r\n")
        for reply in (b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n"):
            await reader.readline()
            writer.write(reply)
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        await stopped.wait()
        writer.transport.abort()

    listening = socket.create_server(("127.0.0.1", 0))
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    server = await asyncio.start_server(read_the_envelope_only, sock=listening)
    async with (
        server,
        sender(listening.getsockname()[1], send_timeout=1, connect_timeout=1) as channel,
    ):
        reply = (await channel.send(work(huge))).reply
        stopped.set()
    assert (reply.outcome, reply.reason) == (Outcome.TRANSIENT, "timeout")


async def test_a_relay_that_refuses_a_large_message_half_way_gave_an_answer() -> None:
    async with (
        relay({"DATA": "354 go\r\n552 5.3.4 too big"}) as server,
        sender(server.port) as channel,
    ):
        reply = (await channel.send(work(BIG))).reply
    assert (reply.outcome, reply.reason) == (Outcome.PERMANENT, "too_large")


async def test_an_acceptance_before_the_final_dot_is_none() -> None:
    async with (
        relay({"DATA": "354 go\r\n250 2.0.0 queued"}) as server,
        sender(server.port) as channel,
    ):
        reply = (await channel.send(work(BIG))).reply
    assert (reply.outcome, reply.reason) == (Outcome.TRANSIENT, "relay_protocol")


@pytest.mark.parametrize("hello", [HELLO, PLAIN_HELLO])
async def test_a_refused_recipient_is_permanent_and_leaves_the_connection_usable(
    hello: str,
) -> None:
    answers = {
        "EHLO": hello,
        "RCPT": ["550-5.1.1 <ann@example.org>\r\n550 5.1.1 unknown", "250 ok"],
    }
    async with relay(answers) as server, sender(server.port) as channel:
        refused = (await channel.send(work())).reply
        accepted = (await channel.send(work())).reply
    assert (refused.outcome, refused.reason) == (Outcome.PERMANENT, "no_such_mailbox")
    assert (refused.code, refused.enhanced_code) == ("550", "5.1.1")
    assert refused.detail == "(address) unknown"
    assert accepted.outcome is Outcome.ACCEPTED
    assert server.sessions == 1
    assert "RSET" in server.heard


async def test_pipelined_data_after_a_refused_recipient_ends_in_a_lone_dot_and_no_mail() -> None:
    answers = {
        "RCPT": ["450 4.2.0 later", "250 ok"],
        ".": ["554 5.5.1 no valid recipients", "250 ok"],
    }
    async with relay(answers) as server, sender(server.port) as channel:
        refused = (await channel.send(work())).reply
        accepted = (await channel.send(work())).reply
    assert (refused.outcome, refused.code) == (Outcome.TRANSIENT, "450")
    assert accepted.outcome is Outcome.ACCEPTED
    assert server.mails[0] == b""
    assert b"Hi Ann" in server.mails[1]
    assert server.sessions == 1


async def test_a_refused_sender_with_data_accepted_gives_the_connection_up() -> None:
    """A lone dot would send an empty mail to the recipient that was accepted."""
    async with (
        relay({"MAIL": ["550 5.7.1 no", "250 ok"]}) as server,
        sender(server.port) as channel,
    ):
        refused = (await channel.send(work())).reply
        accepted = (await channel.send(work())).reply
    assert refused.outcome is Outcome.PERMANENT
    assert accepted.outcome is Outcome.ACCEPTED
    assert server.sessions == 2
    assert len(server.mails) == 1


@pytest.mark.parametrize("last", ["421 4.4.2 idle", "421 4.4.2 idle|close"])
async def test_a_reused_connection_that_answers_421_is_replaced_within_the_try(last: str) -> None:
    async with (
        relay({"MAIL": ["250 ok", last, "250 ok"]}) as server,
        sender(server.port) as channel,
    ):
        replies = [(await channel.send(work())).reply for _ in range(2)]
    assert [reply.outcome for reply in replies] == [Outcome.ACCEPTED] * 2
    assert (server.sessions, len(server.mails)) == (2, 2)


async def test_a_connection_that_the_relay_closed_while_idle_is_replaced_within_the_try() -> None:
    async with relay() as server, sender(server.port) as channel:
        await channel.send(work())
        server.hang_up()
        await eventually(lambda: not server.writers)
        reply = (await channel.send(work())).reply
    assert reply.outcome is Outcome.ACCEPTED
    assert (server.sessions, len(server.mails)) == (2, 2)


async def test_a_connection_that_spoke_unasked_is_not_used_again() -> None:
    async with relay() as server, sender(server.port) as channel:
        await channel.send(work())
        for writer in server.writers:
            writer.write(b"250 by the way\r\n")
        await eventually(lambda: channel.pool.idle == 0)
        reply = (await channel.send(work())).reply
    assert reply.outcome is Outcome.ACCEPTED
    assert (server.sessions, len(server.mails)) == (2, 2)


async def test_after_a_421_nothing_more_is_waited_for() -> None:
    reply = await answer({"MAIL": "421 4.3.2 bye", "RCPT": SILENCE})
    assert (reply.outcome, reply.reason) == (Outcome.TRANSIENT, "throttled")


async def test_a_fresh_connection_that_answers_421_is_not_tried_again() -> None:
    async with (
        relay({"MAIL": "421 4.7.0 slow down|close"}) as server,
        sender(server.port) as channel,
    ):
        reply = (await channel.send(work())).reply
    assert (reply.outcome, reply.reason) == (Outcome.TRANSIENT, "throttled")
    assert server.sessions == 1


async def test_a_mail_that_may_have_been_taken_is_never_sent_again_within_the_try() -> None:
    async with relay({".": ["250 ok", CLOSE]}) as server, sender(server.port) as channel:
        await channel.send(work())
        reply = (await channel.send(work())).reply
    assert reply.outcome is Outcome.AMBIGUOUS
    assert (server.sessions, len(server.mails)) == (1, 2)


async def test_a_connection_out_of_step_is_not_used_again() -> None:
    async with relay({".": "250 ok\r\n250 and again"}) as server, sender(server.port) as channel:
        for _ in range(2):
            assert (await channel.send(work())).reply.outcome is Outcome.ACCEPTED
    assert server.sessions == 2


async def test_a_relay_that_speaks_no_smtp_is_transient_before_and_ambiguous_after_the_dot() -> (
    None
):
    before = await answer({"RCPT": "what?"})
    after = await answer({".": "what?"})
    assert (before.outcome, before.reason) == (Outcome.TRANSIENT, "relay_protocol")
    assert (after.outcome, after.reason) == (Outcome.AMBIGUOUS, "relay_protocol")


async def test_a_relay_without_esmtp_is_greeted_the_old_way() -> None:
    async with (
        relay({"EHLO": "502 no", "HELO": "250 hi"}) as server,
        sender(server.port) as channel,
    ):
        reply = (await channel.send(work())).reply
    assert reply.outcome is Outcome.ACCEPTED
    assert "HELO client.example.net" in server.heard


async def test_a_relay_that_is_not_there_is_transient() -> None:
    async with relay() as server:
        port = server.port
    async with sender(port) as channel:
        reply = (await channel.send(work())).reply
    assert (reply.outcome, reply.reason) == (Outcome.TRANSIENT, "relay_unreachable")


async def test_a_cancelled_send_returns_its_slot_and_drops_its_connection() -> None:
    async with relay({".": SILENCE}) as server, sender(server.port, connections=1) as channel:
        sending = asyncio.create_task(channel.send(work()))
        await eventually(lambda: server.mails)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        assert (channel.pool.in_use, channel.pool.idle) == (0, 0)


HANG_UPS = [CLOSE, SILENCE, "250 ok|close", "421 bye", "421 bye|close"]
REFUSALS = ["450 no", "451 4.7.1 x", "503 5.5.1 x", "550 5.1.1 x", "250-a\r\n450 b"]
NONSENSE = ["nonsense", "250-", "", "354 go", "250 a\r\n250 b"]
REPLY = st.sampled_from(["250 ok", "250-a\r\n250 b", *HANG_UPS, *REFUSALS, *NONSENSE])
WORDS = ["CONNECT", "EHLO", "RSET", "MAIL", "RCPT", "DATA", ".", "QUIT"]
SCRIPTS = st.dictionaries(
    st.sampled_from(WORDS), st.lists(REPLY, min_size=1, max_size=3), max_size=3
)


@settings(max_examples=60)
@given(SCRIPTS, st.booleans())
async def test_whatever_the_relay_does_every_send_ends_in_time_and_every_slot_is_returned(
    script: dict[str, list[str]], pipelining: bool
) -> None:
    answers = {"EHLO": HELLO if pipelining else PLAIN_HELLO} | script
    async with (
        relay(answers) as server,
        sender(server.port, connections=2, send_timeout=0.15, connect_timeout=0.1) as channel,
    ):
        async with asyncio.timeout(20):
            sends = await asyncio.gather(*(channel.sender.send(work()) for _ in range(6)))
        assert (channel.pool.in_use, channel.pool.open) == (0, channel.pool.idle)
        replies = [sent.reply for sent in sends if isinstance(sent, Attempt)]
        assert all(reply.reason != "internal_error" for reply in replies)
        accepted = [reply for reply in replies if reply.outcome is Outcome.ACCEPTED]
        assert len(accepted) <= len(server.mails)

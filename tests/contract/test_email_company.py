"""Mails that share a connection: the next one's envelope goes out with the dot before it."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from tests.support.routing import Attempting
from tests.support.smtp import CLOSE, HELLO, HOLD, PLAIN_HELLO, Answers, Relay, relay, sender, work
from tests.support.waiting import eventually

from fogbell.model.content import EmailContent
from fogbell.model.outcome import Attempt, Deferred, Outcome, Reply
from fogbell.model.status import Lane
from fogbell.rendering import RenderedEmail
from fogbell_worker.channels.email.provider import EmailMessage
from fogbell_worker.providers import Message
from fogbell_worker.providers.interface import BusyError

ACCEPTED = Outcome.ACCEPTED


def message(name: str, seconds: float = 5.0) -> EmailMessage:
    """A mail to ``name``, and the time it has."""
    return Message(
        content=RenderedEmail(subject=name, text=f"Dear {name}"),
        address=f"{name}@example.org",
        delivery_id=uuid.uuid4(),
        idempotency_key=name,
        lane=Lane.BULK,
        created_at=datetime.now(UTC),
        expires_at=None,
        deadline=asyncio.get_running_loop().time() + seconds,
    )


def taken(server: Relay) -> list[str]:
    """Whose mails got their final dot, in order."""
    return [mail.split(b"Dear ")[1].split()[0].decode() for mail in server.mails]


@asynccontextmanager
async def company(answers: Answers) -> AsyncIterator[tuple[Relay, Attempting]]:
    """A relay that is known to be quick, reached by one connection: answers count from there."""
    async with relay(answers) as server, sender(server.port, connections=1) as channel:
        assert (await channel.first.send(message("first"))).outcome is ACCEPTED
        yield server, channel


async def send(channel: Attempting, *names: str) -> list[Reply]:
    """What becomes of mails that are sent at once."""
    replies = await asyncio.gather(*(channel.first.send(message(name)) for name in names))
    return list(replies)


async def test_an_envelope_goes_out_with_the_dot_before_it() -> None:
    """The relay answers two of the dots only once it has heard the next envelope."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 relay\r\n")
        await reader.readline()
        writer.write(HELLO.encode() + b"\r\n")
        await reader.readuntil(b"DATA\r\n")
        for another in (False, True, True, False):
            writer.write(b"250 ok\r\n250 ok\r\n354 go\r\n")
            await reader.readuntil(b"\r\n.\r\n")
            if another:
                await reader.readuntil(b"DATA\r\n")
            writer.write(b"250 queued\r\n")
            if not another:
                await reader.read(1 << 16)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, sender(port, connections=1) as channel:
        assert [reply.outcome for reply in await send(channel, "first")] == [ACCEPTED]
        replies = await send(channel, "ann", "bob", "cid")
    assert [reply.outcome for reply in replies] == [ACCEPTED] * 3


@pytest.mark.parametrize(
    ("answer", "outcome", "reason"),
    [
        ("250 2.0.0 queued", ACCEPTED, None),
        ("451 4.3.0 later", Outcome.TRANSIENT, "relay_error"),
        ("550 5.7.1 spam", Outcome.PERMANENT, "rejected"),
        ("421 4.7.0 enough", Outcome.TRANSIENT, "throttled"),
        ("421 4.7.0 enough|close", Outcome.TRANSIENT, "throttled"),
        ("250 2.0.0 queued|close", ACCEPTED, None),
        ("354 what", Outcome.AMBIGUOUS, "relay_protocol"),
        ("nonsense", Outcome.AMBIGUOUS, "relay_protocol"),
        (CLOSE, Outcome.AMBIGUOUS, "connection_lost"),
    ],
)
async def test_whatever_becomes_of_a_mail_those_behind_it_are_sent_once(
    answer: str, outcome: Outcome, reason: str | None
) -> None:
    async with company({".": ["250 ok", answer, "250 ok"]}) as (server, channel):
        ann, *others = await send(channel, "ann", "bob", "cid")
    assert (ann.outcome, ann.reason) == (outcome, reason)
    assert [reply.outcome for reply in others] == [ACCEPTED] * 2
    assert taken(server) == ["first", "ann", "bob", "cid"]


@pytest.mark.parametrize("word", ["MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize("code", ["450 4.2.0 later", "550 5.7.1 no", "421 bye", "353 what", CLOSE])
async def test_an_envelope_that_fails_leaves_the_mails_before_and_behind_it_accepted(
    word: str, code: str
) -> None:
    good = "354 go" if word == "DATA" else "250 ok"
    async with company({word: [good, good, code, good]}) as (server, channel):
        ann, bob, cid = await send(channel, "ann", "bob", "cid")
    assert (ann.outcome, cid.outcome) == (ACCEPTED, ACCEPTED)
    there = [name for name in taken_or_empty(server) if name]
    assert sorted(there) == sorted({"first", "ann", "cid"} | ({"bob"} & {*there}))
    assert (bob.outcome is ACCEPTED) is ("bob" in there)
    assert bob.outcome in (ACCEPTED, Outcome.PERMANENT, Outcome.TRANSIENT)


def taken_or_empty(server: Relay) -> list[str]:
    """As `taken`, with "" for the lone dot that withdraws a refused mail."""
    names = [mail.partition(b"Dear ")[2] for mail in server.mails]
    return [name.split()[0].decode() if name else "" for name in names]


async def test_a_cancelled_mail_behind_another_waits_for_the_others_answer() -> None:
    answers = {".": ["250 ok", HOLD + "|250 2.0.0 queued", "250 ok"]}
    async with company(answers) as (server, channel):
        ann = asyncio.create_task(channel.first.send(message("ann")))
        bob = asyncio.create_task(channel.first.send(message("bob")))
        await eventually(lambda: "ann" in taken(server))
        bob.cancel()
        with pytest.raises(asyncio.CancelledError):
            await bob
        assert not ann.done()
        server.held.set()
        assert (await ann).outcome is ACCEPTED
        assert [reply.outcome for reply in await send(channel, "cid")] == [ACCEPTED]
        assert server.sessions == 2  # the relay was in the middle of bob's
    assert taken(server) == ["first", "ann", "cid"]


async def test_a_cancelled_mail_sends_the_one_behind_it_elsewhere() -> None:
    answers = {".": ["250 ok", HOLD + "|250 2.0.0 queued", "250 ok"]}
    async with company(answers) as (server, channel):
        ann = asyncio.create_task(channel.first.send(message("ann")))
        bob = asyncio.create_task(channel.first.send(message("bob")))
        await eventually(lambda: "ann" in taken(server))
        ann.cancel()
        with pytest.raises(asyncio.CancelledError):
            await ann
        assert (await bob).outcome is ACCEPTED
    assert taken(server) == ["first", "ann", "bob"]
    assert server.sessions == 2


async def test_a_mail_that_times_out_sends_the_one_behind_it_elsewhere() -> None:
    async with company({".": ["250 ok", HOLD, "250 ok"]}) as (server, channel):
        ann = asyncio.create_task(channel.first.send(message("ann", seconds=0.2)))
        bob = asyncio.create_task(channel.first.send(message("bob")))
        timed_out = await ann
        assert (await bob).outcome is ACCEPTED
    assert (timed_out.outcome, timed_out.reason) == (Outcome.AMBIGUOUS, "timeout")
    assert taken(server) == ["first", "ann", "bob"]


async def test_a_mail_whose_turn_comes_too_late_is_not_handed_over() -> None:
    """Neither behind another's dot nor in the queue; the one before them keeps its answer."""
    answers = {".": ["250 ok", HOLD + "|250 2.0.0 queued", "250 ok"]}
    async with company(answers) as (server, channel):
        ann = asyncio.create_task(channel.first.send(message("ann")))
        late = [channel.first.send(message(name, seconds=0.4)) for name in ("bob", "cid")]
        started = time.monotonic()
        busy = await asyncio.gather(*late, return_exceptions=True)
        assert time.monotonic() - started < 4
        server.held.set()
        assert (await ann).outcome is ACCEPTED
    assert [type(error) for error in busy] == [BusyError] * 2
    assert taken(server) == ["first", "ann"]


async def test_what_a_busy_relay_kept_waiting_is_put_back_without_an_attempt() -> None:
    async with (
        relay({".": [HOLD + "|250 ok", "250 ok"]}) as server,
        sender(server.port, connections=1, connect_timeout=0.5) as channel,
    ):
        ann = asyncio.create_task(channel.send(work()))
        await eventually(lambda: server.mails)
        bob = await channel.sender.send(work())
        server.held.set()
        assert (await ann).reply.outcome is ACCEPTED
    assert bob == Deferred("provider_busy", 0.0)
    assert len(server.mails) == 1


async def test_large_mails_share_a_connection_too() -> None:
    big = EmailContent(subject="Big", text="0123456789 " * 18_000)
    async with relay() as server, sender(server.port, connections=1) as channel:
        sends = [channel.sender.send(work(content)) for content in (big, big, small(), big)]
        sent = await asyncio.gather(*sends)
    assert [isinstance(it, Attempt) and it.reply.outcome for it in sent] == [ACCEPTED] * 4
    assert [len(mail) > 100_000 for mail in server.mails] == [True, True, False, True]
    assert server.sessions == 1


def small() -> EmailContent:
    return EmailContent(subject="Small", text="small")


@pytest.mark.parametrize("hello", [HELLO, PLAIN_HELLO])
async def test_no_connection_carries_more_mails_than_it_may_also_with_company(hello: str) -> None:
    async with (
        relay({"EHLO": hello}) as server,
        sender(server.port, connections=1, messages_per_connection=3) as channel,
    ):
        sent = await asyncio.gather(*(channel.send(work()) for _ in range(12)))
        assert {attempt.reply.outcome for attempt in sent} == {ACCEPTED}
    assert (server.sessions, len(server.mails)) == (4, 12)
    assert server.heard.count("QUIT") == 4


async def test_a_relay_that_hangs_up_in_the_middle_gets_what_waited_over_new_connections() -> None:
    answers = {".": ["250 ok", HOLD, "250 ok"]}
    async with company(answers) as (server, channel):
        sends = asyncio.gather(*(channel.first.send(message(name)) for name in "abcdef"))
        await eventually(lambda: "a" in taken(server))
        server.hang_up()
        a, *others = await sends
    assert a.outcome is Outcome.AMBIGUOUS
    assert [reply.outcome for reply in others] == [ACCEPTED] * 5
    assert sorted(taken(server)) == ["a", "b", "c", "d", "e", "f", "first"]

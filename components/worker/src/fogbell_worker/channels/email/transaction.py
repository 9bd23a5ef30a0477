"""One mail over one connection, with the point known at which it may have been taken.

RFC 5321 for the dialogue, RFC 2920 for sending MAIL, RCPT and DATA in one packet where the server
allows it. Until the final dot is given to the transport nothing can have been accepted; after that
only the server's answer says what became of the mail, and its absence is *ambiguous*.
"""

import asyncio
from dataclasses import dataclass

from fogbell.model.outcome import Reply
from fogbell_worker.channels.email.classify import Stage, classify, cut_off
from fogbell_worker.channels.email.compose import Mail, stuff_dots
from fogbell_worker.channels.email.connection import SmtpConnection
from fogbell_worker.channels.email.replies import SmtpReply

_ONE_WRITE = 16_384
"""Bytes that a socket's buffer takes at once, so that handing over and leaving are the same."""

_DOT = b".\r\n"
_DOT_SECONDS = 5.0


class StaleConnectionError(Exception):
    """A reused connection was gone before the server took anything of this mail."""


@dataclass(slots=True)
class Handover:
    """How far a mail came, for whoever loses patience: readable while it is being sent."""

    done: bool = False
    """Whether the final dot may have left this machine."""


@dataclass(frozen=True, slots=True)
class _Step:
    """A command of the envelope; ``stage`` is None for RSET, which is no part of the mail."""

    stage: Stage | None
    command: bytes


async def transact(connection: SmtpConnection, mail: Mail, handover: Handover) -> Reply:
    """Send ``mail`` and classify what came of it.

    Raises `StaleConnectionError` where another connection may simply be tried. Cancelling is
    allowed at any time and drops the connection.
    """
    reused = connection.mails > 0
    connection.mails += 1
    try:
        return await _transact(connection, mail, handover, reused=reused)
    except BaseException:
        connection.abort()
        raise


async def _transact(
    connection: SmtpConnection, mail: Mail, handover: Handover, *, reused: bool
) -> Reply:
    steps = _envelope(mail, reset=connection.needs_reset)
    replies = await _exchange(connection, steps)
    for number, (step, reply) in enumerate(zip(steps, replies, strict=False)):
        if _agreed(step, reply):
            continue
        if reused and (step.stage is None or (step.stage is Stage.MAIL and reply.code == 421)):
            raise StaleConnectionError
        await _withdraw(connection, steps[number:], replies[number:])
        return classify(step.stage or Stage.MAIL, reply)
    if len(replies) < len(steps):
        if reused and not any(step.stage for step in steps[: len(replies)]):
            raise StaleConnectionError
        return _lost(connection, handover)
    return await _body(connection, stuff_dots(mail.message), handover)


def _envelope(mail: Mail, *, reset: bool) -> list[_Step]:
    steps = [
        _Step(Stage.MAIL, f"MAIL FROM:<{mail.sender}>\r\n".encode("ascii")),
        _Step(Stage.RCPT, f"RCPT TO:<{mail.recipient}>\r\n".encode("ascii")),
        _Step(Stage.DATA, b"DATA\r\n"),
    ]
    return [_Step(None, b"RSET\r\n"), *steps] if reset else steps


def _agreed(step: _Step, reply: SmtpReply) -> bool:
    return reply.code == 354 if step.stage is Stage.DATA else reply.positive


async def _exchange(connection: SmtpConnection, steps: list[_Step]) -> list[SmtpReply]:
    """The replies to ``steps``, up to the first refusal where the server does not pipeline."""
    protocol = connection.protocol
    if connection.pipelining:
        protocol.write(b"".join([step.command for step in steps]))
        return await protocol.replies(len(steps))
    replies: list[SmtpReply] = []
    for step in steps:
        protocol.write(step.command)
        answer = await protocol.replies(1)
        replies += answer
        if not answer or not _agreed(step, answer[0]):
            break
    return replies


async def _withdraw(
    connection: SmtpConnection, steps: list[_Step], replies: list[SmtpReply]
) -> None:
    """Leave a refused transaction so that the connection can be used again.

    The first of ``steps`` was refused. A pipelined DATA may have been accepted all the same: with
    the recipient refused, a lone dot ends it without a mail (RFC 2920, 3.1). With the recipient
    accepted it would send an empty one, so the connection is given up instead.
    """
    connection.needs_reset = True
    pairs = list(zip(steps, replies, strict=False))
    if not any(step.stage is Stage.DATA and reply.code == 354 for step, reply in pairs):
        return
    if any(step.stage is Stage.RCPT and reply.positive for step, reply in pairs):
        connection.abort()
        return
    try:
        async with asyncio.timeout(_DOT_SECONDS):
            connection.protocol.write(_DOT)
            await connection.protocol.replies(1)
    except TimeoutError:
        connection.abort()


async def _body(connection: SmtpConnection, data: bytes, handover: Handover) -> Reply:
    """Hand the message over. A large one goes ahead of its dot, so that less is ambiguous."""
    protocol = connection.protocol
    connection.needs_reset = False
    if len(data) > _ONE_WRITE:
        protocol.write(data)
        await protocol.flush()
        data = b""
    if protocol.unsolicited or protocol.lost:
        return await _interrupted(connection, handover)
    handover.done = True
    protocol.write(data + _DOT)
    answer = await protocol.replies(1)
    return classify(Stage.BODY, answer[0]) if answer else _lost(connection, handover)


async def _interrupted(connection: SmtpConnection, handover: Handover) -> Reply:
    """The server spoke or left before the end of the mail: nothing was taken, whatever it said."""
    answer = await connection.protocol.replies(1)
    connection.protocol.abort("relay_protocol")
    return classify(Stage.DATA, answer[0]) if answer else _lost(connection, handover)


def _lost(connection: SmtpConnection, handover: Handover) -> Reply:
    where = "after" if handover.done else "before"
    return cut_off(
        handed_over=handover.done,
        reason=connection.protocol.lost or "connection_lost",
        detail=f"the connection to the relay ended {where} the mail was handed over",
    )

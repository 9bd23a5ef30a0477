"""One supervised connection: opened, watched, and opened again, until it is closed for good.

aio-pika's robust connections hide the moment of loss, and with it which delivery tags are void.
Here a loss ends the session, and everything that belonged to it.
"""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable

import aio_pika
import structlog
from aio_pika.abc import AbstractConnection
from aio_pika.exceptions import CONNECTION_EXCEPTIONS

log = structlog.get_logger(__name__)

HEARTBEAT = 10
"""Seconds between heartbeats: a dead peer is noticed within two of them."""

CONNECT_TIMEOUT = 10.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0

BROKER_ERRORS = (*CONNECTION_EXCEPTIONS, TimeoutError)
"""What a lost or refusing broker raises out of aio-pika."""


class BrokerUnavailableError(Exception):
    """RabbitMQ cannot be reached at present, or did not confirm in time."""


Session = Callable[[AbstractConnection], Awaitable[None]]


async def supervise(uri: str, name: str, session: Session) -> None:
    """Run ``session`` on a fresh connection, again and again, until cancelled.

    The session ends by returning or by an error of the broker; both lead to a new connection,
    after a pause that grows while connecting fails.
    """
    pause = _FIRST_PAUSE
    while True:
        try:
            connection = await open_connection(uri, name)
        except BROKER_ERRORS as error:
            log.warning("broker_unreachable", connection=name, error=type(error).__name__)
        else:
            pause = _FIRST_PAUSE
            await _run(connection, name, session)
        # Jitter, so that a whole deployment does not return in the same instant.
        await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - not a secret
        pause = min(pause * 2, _LONGEST_PAUSE)


async def open_connection(uri: str, name: str) -> AbstractConnection:
    """Connect once, within `CONNECT_TIMEOUT`."""
    async with asyncio.timeout(CONNECT_TIMEOUT):
        return await aio_pika.connect(
            uri,
            heartbeat=HEARTBEAT,
            client_properties={"connection_name": name},
            connection_class=_Connection,
        )


class _Connection(aio_pika.Connection):
    """Closed by `supervise` alone."""

    def __del__(self) -> None:
        """Do nothing. aio-pika's would schedule a close for a connection that never opened, in
        whatever thread collects it: a coroutine that nobody awaits.
        """


async def _run(connection: AbstractConnection, name: str, session: Session) -> None:
    work = asyncio.ensure_future(session(connection))
    closed = asyncio.ensure_future(connection.closed())
    try:
        await asyncio.wait({work, closed}, return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            work.result()
        log.warning("broker_connection_ended", connection=name)
    except BROKER_ERRORS as error:
        log.warning("broker_session_failed", connection=name, error=type(error).__name__)
    finally:
        await _cancelled(work)
        closed.cancel()
        await _close(connection)


async def _cancelled(task: "asyncio.Future[None]") -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError, *BROKER_ERRORS):
        await task


async def _close(connection: AbstractConnection) -> None:
    with contextlib.suppress(*BROKER_ERRORS):
        async with asyncio.timeout(CONNECT_TIMEOUT):
            await connection.close()

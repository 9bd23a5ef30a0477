"""One supervised connection: opened, watched, and opened again, until it is closed for good.

aio-pika's robust connections hide the moment of loss, and with it which delivery tags are void.
Here a loss ends the session, and everything that belonged to it.
"""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Iterator
from time import monotonic

import aio_pika
import structlog
from aio_pika.abc import AbstractConnection
from aio_pika.exceptions import CONNECTION_EXCEPTIONS

log = structlog.get_logger(__name__)

HEARTBEAT = 10
"""Seconds between heartbeats: a dead peer is noticed within two of them."""

CONNECT_TIMEOUT = 10.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0
_LASTING = 5.0
"""Seconds after which a session counts as one that worked."""

BROKER_ERRORS = (*CONNECTION_EXCEPTIONS, TimeoutError)
"""What a lost or refusing broker raises out of aio-pika; `broker_errors` knows one more."""


class BrokerUnavailableError(Exception):
    """RabbitMQ cannot be reached at present, or did not confirm in time."""


@contextlib.contextmanager
def broker_errors() -> Iterator[None]:
    """Turn what a lost or refusing broker raises into `BrokerUnavailableError`; others pass."""
    try:
        yield
    except BROKER_ERRORS as error:
        words = f"{type(error).__name__}: {error}"
        raise BrokerUnavailableError(words) from error
    except Exception as error:
        # aiormq ends what is under way when a channel closes cleanly with a bare Exception.
        if type(error) is not Exception:
            raise
        raise BrokerUnavailableError("the channel was closed") from error


Session = Callable[[AbstractConnection], Awaitable[None]]


async def supervise(uri: str, name: str, session: Session) -> None:
    """Run ``session`` on a fresh connection, again and again, until cancelled.

    The session ends by returning or by an error; both lead to a new connection, after a pause that
    grows until a session lasts: a queue declared with other arguments is not asked for in a rush.
    """
    pause = _FIRST_PAUSE
    while True:
        started = monotonic()
        try:
            connection = await open_connection(uri, name)
        except BrokerUnavailableError as error:
            log.warning("broker_unreachable", connection=name, error=str(error))
        else:
            await _run(connection, name, session)
            if monotonic() - started > _LASTING:
                pause = _FIRST_PAUSE
        # Jitter, so that a whole deployment does not return in the same instant.
        await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - not a secret
        pause = min(pause * 2, _LONGEST_PAUSE)


class Supervision:
    """`supervise` as a task of its own, from `start` to `close`."""

    def __init__(self, uri: str, name: str, session: Session) -> None:
        self._uri, self._name, self._session = uri, name, session
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to connect, in the background; returns at once."""
        self._task = asyncio.create_task(supervise(self._uri, self._name, self._session))

    async def close(self) -> None:
        """End the connection for good; nothing where it was never started."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)


async def open_connection(uri: str, name: str) -> AbstractConnection:
    """Connect once, within `CONNECT_TIMEOUT`; raises `BrokerUnavailableError`."""
    with broker_errors():
        return await _connect(uri, name)


async def _connect(uri: str, name: str) -> AbstractConnection:
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
    work = asyncio.ensure_future(_guarded(connection, session))
    closed = asyncio.ensure_future(connection.closed())
    try:
        await asyncio.wait({work, closed}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        # Neither is done where it is we who close: nothing to tell, unless the session breaks.
        by_itself = work.done() or closed.done()
        work.cancel()
        closed.cancel()
        (ended,) = await asyncio.gather(work, return_exceptions=True)
        if by_itself or not isinstance(ended, asyncio.CancelledError):
            _tell(name, ended)
        await _close(connection)


async def _guarded(connection: AbstractConnection, session: Session) -> None:
    with broker_errors():
        await session(connection)


def _tell(name: str, ended: BaseException | None) -> None:
    """Log how a session ended. What is not the broker's doing is a fault of ours: never silent."""
    if ended is None or isinstance(ended, asyncio.CancelledError):
        log.warning("broker_connection_ended", connection=name)
    elif isinstance(ended, BrokerUnavailableError):
        # The broker's own words: without them nobody finds a queue declared otherwise.
        log.warning("broker_session_failed", connection=name, error=str(ended))
    else:
        log.error("broker_session_broken", connection=name, exc_info=ended)


async def _close(connection: AbstractConnection) -> None:
    with contextlib.suppress(BrokerUnavailableError), broker_errors():
        async with asyncio.timeout(CONNECT_TIMEOUT):
            await connection.close()

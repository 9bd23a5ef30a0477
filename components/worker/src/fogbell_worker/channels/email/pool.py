"""A bounded pool of connections to one relay, and the mails that wait for them."""

import asyncio
from collections import deque
from typing import Protocol

from fogbell.model.outcome import Reply
from fogbell_worker.channels.email.outgoing import Outgoing
from fogbell_worker.channels.email.parties import Owner
from fogbell_worker.channels.email.session import Session


class Connect(Protocol):
    """Opens a connection."""

    async def __call__(self, owner: Owner) -> Session:
        """A session that is ready for a mail."""


class ConnectionPool:
    """At most ``size`` connections, given out in the order in which they were asked for.

    The one used last is used first, so that a quiet hour leaves few open. One that has been idle
    for ``idle_seconds`` or has carried all the mails it may says QUIT. A *place* is the right to
    have a connection open: whoever is given one opens it within its own task, and so pays for it
    with its own time.
    """

    def __init__(self, connect: Connect, *, size: int, idle_seconds: float) -> None:
        self._connect = connect
        self._size = self._places = size
        self._idle_seconds = idle_seconds
        self._queue: deque[Outgoing] = deque()
        self._sessions: set[Session] = set()
        self._idle: deque[Session] = deque()
        self._quitting: set[Session] = set()
        self._quiet: asyncio.Future[None] | None = None
        self._reaper: asyncio.TimerHandle | None = None
        self.in_use = 0

    @property
    def idle(self) -> int:
        """How many connections wait for work."""
        return len(self._idle)

    @property
    def open(self) -> int:
        """How many connections there are, those that are being opened included."""
        return self._size - self._places

    @property
    def waiting(self) -> bool:
        """Whether mails wait for a connection."""
        return bool(self._queue)

    async def send(self, outgoing: Outgoing) -> Reply:
        """See a mail to its ending. Cancelling is allowed at any time.

        Raises `TimeoutError` at its deadline, `BusyError` if its turn does not come in time, and
        what `Connect` raises. ``outgoing.handed_over`` says then how far it came.
        """
        self.in_use += 1
        outgoing.watch()
        try:
            self._admit(outgoing)
            return await self._answer(outgoing)
        except BaseException:
            self._give_up(outgoing)
            raise
        finally:
            self.in_use -= 1
            outgoing.unwatch()

    def next_mail(self) -> Outgoing | None:
        """The mail that waits longest; whoever asks sends it."""
        while self._queue:
            outgoing = self._queue.popleft()
            if not outgoing.ended:
                return outgoing
        return None

    def freed(self, session: Session) -> None:
        """Another mail, or rest, or the end of a connection that was used enough."""
        if session.worn:
            self._quit(session)
        elif (outgoing := self.next_mail()) is not None:
            session.begin(outgoing)
        else:
            self._rest(session)

    def ended(self, session: Session, heir: Outgoing | None) -> None:
        """Its place goes to the mail that lost its connection, or to the next one."""
        if session in self._sessions:
            self._sessions.remove(session)
            if session in self._idle:
                self._idle.remove(session)
            self._vacate(heir)
        self._quitting.discard(session)
        if self._quiet is not None and not self._quitting:
            self._quiet.set_result(None)

    async def close(self) -> None:
        """Say QUIT on every idle connection; sends under way must have ended."""
        if self._reaper is not None:
            self._reaper.cancel()
            self._reaper = None
        while self._idle:
            self._quit(self._idle[0])
        if self._quitting:
            self._quiet = asyncio.get_running_loop().create_future()
            await self._quiet

    def _admit(self, outgoing: Outgoing) -> None:
        if self._idle:
            self._idle.pop().begin(outgoing)
        elif self._places > 0:
            self._places -= 1
            outgoing.give_place()
        else:
            self._queue.append(outgoing)

    async def _answer(self, outgoing: Outgoing) -> Reply:
        while (reply := await outgoing.ending) is None:
            await self._open(outgoing)
        return reply

    async def _open(self, outgoing: Outgoing) -> None:
        """Open the connection that ``outgoing`` has a place for, and begin."""
        async with asyncio.timeout_at(outgoing.deadline):
            session = await self._connect(self)
        self._sessions.add(session)
        outgoing.take_place()
        session.begin(outgoing)

    def _give_up(self, outgoing: Outgoing) -> None:
        """Its task ends without an answer."""
        if outgoing.has_place:
            self._vacate(None)
        elif outgoing.carrier is not None:
            outgoing.carrier.drop(outgoing)
        elif outgoing in self._queue:
            self._queue.remove(outgoing)

    def _vacate(self, heir: Outgoing | None) -> None:
        """Pass a place on, or keep it for later."""
        if heir is None or heir.ended:
            heir = self.next_mail()
        if heir is None:
            self._places += 1
        else:
            heir.give_place()

    def _rest(self, session: Session) -> None:
        loop = asyncio.get_running_loop()
        session.idle_since = loop.time()
        self._idle.append(session)
        if self._reaper is None:
            self._reaper = loop.call_later(self._idle_seconds, self._reap)

    def _reap(self) -> None:
        """Close what has been idle too long; the oldest stand first."""
        self._reaper = None
        loop = asyncio.get_running_loop()
        while self._idle and loop.time() - self._idle[0].idle_since >= self._idle_seconds:
            self._quit(self._idle[0])
        if self._idle:
            due = self._idle[0].idle_since + self._idle_seconds
            self._reaper = loop.call_at(due, self._reap)

    def _quit(self, session: Session) -> None:
        if session in self._idle:
            self._idle.remove(session)
        self._sessions.remove(session)
        self._quitting.add(session)
        session.quit()
        self._vacate(None)

"""One mail on its way to the relay: what its own task and the connection's session share."""

import asyncio
from typing import TYPE_CHECKING

from fogbell.model.outcome import Reply
from fogbell_worker.channels.email.compose import Mail, stuff_dots
from fogbell_worker.providers.interface import BusyError

if TYPE_CHECKING:
    from fogbell_worker.channels.email.session import Session

DATA = b"DATA\r\n"


class Outgoing:
    """A mail as it will be written, and how far it came: readable while it is being sent.

    ``begun``: its turn has come, nothing is ahead of it on its connection any more.
    ``handed_over``: its final dot may have left this machine. Both only ever become true, but for
    a mail that begins again on another connection, which has not begun until then.
    ``has_place``: it may, and has to, open a connection of its own; see `ConnectionPool`.
    ``carrier`` is where it was last written to.
    ``deadline`` and ``turn_by`` are on the event loop's clock: when it must have ended, and when
    its turn must have come.
    """

    __slots__ = (
        "_loop",
        "_timer",
        "begun",
        "carrier",
        "data",
        "deadline",
        "ending",
        "envelope",
        "handed_over",
        "has_place",
        "turn_by",
    )

    def __init__(self, mail: Mail, *, deadline: float, turn_by: float) -> None:
        self.envelope = (
            f"MAIL FROM:<{mail.sender}>\r\n".encode("ascii"),
            f"RCPT TO:<{mail.recipient}>\r\n".encode("ascii"),
            DATA,
        )
        self.data = stuff_dots(mail.message)
        self.deadline = deadline
        self.turn_by = turn_by
        self.carrier: Session | None = None
        self.begun = False
        self.handed_over = False
        self.has_place = False
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self.ending: asyncio.Future[Reply | None] = self._loop.create_future()

    def watch(self) -> None:
        """Fail with `BusyError` if its turn has not come by ``turn_by``: what begins too late is
        cut off after it was handed over. Later with `TimeoutError` at the deadline.
        """
        self._timer = self._loop.call_at(self.turn_by, self._turn_over)

    def unwatch(self) -> None:
        """It has ended."""
        if self._timer is not None:
            self._timer.cancel()

    def _turn_over(self) -> None:
        if self.begun:
            self._timer = self._loop.call_at(self.deadline, self.fail, TimeoutError())
        else:
            self.fail(BusyError())

    @property
    def ended(self) -> bool:
        """Whether nobody waits for it any more: it was answered, or given up."""
        return self.ending.done() and not self.has_place

    def settle(self, reply: Reply) -> None:
        """End it, unless it has ended."""
        if not self.ending.done():
            self.ending.set_result(reply)

    def fail(self, error: Exception) -> None:
        """End it with ``error``, unless it has ended."""
        if not self.ending.done():
            self.ending.set_exception(error)

    def give_place(self) -> None:
        """Wake it: it may open a connection, since one less is open than may be."""
        self.has_place = self.begun = True
        self.ending.set_result(None)

    def take_place(self) -> None:
        """Its connection stands: wait for the ending again."""
        self.has_place = False
        self.ending = self._loop.create_future()

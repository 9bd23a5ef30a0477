"""Who a session speaks with: the wire below it, and above it whoever gives it mails."""

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from fogbell_worker.channels.email.outgoing import Outgoing
    from fogbell_worker.channels.email.session import Session


class Wire(Protocol):
    """What a session writes to. ``writable``: all that was written has left this process."""

    writable: bool

    def write(self, data: bytes) -> None:
        """Send ``data``, sooner or later."""

    def abort(self) -> None:
        """Drop the connection."""


class Owner(Protocol):
    """Who gives a session its mails."""

    @property
    def waiting(self) -> bool:
        """Whether `next_mail` may have one."""

    def next_mail(self) -> "Outgoing | None":
        """The mail that waits longest, to be sent by whoever asked."""

    def freed(self, session: "Session") -> None:
        """It can take another mail."""

    def ended(self, session: "Session", heir: "Outgoing | None") -> None:
        """Its connection is gone. Of ``heir`` nothing was handed over: it goes elsewhere."""

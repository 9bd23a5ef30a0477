"""What the driver asks of MongoDB, command by command, for whoever measures it."""

from collections.abc import Callable
from typing import Final

from pymongo.monitoring import (
    CommandFailedEvent,
    CommandListener,
    CommandStartedEvent,
    CommandSucceededEvent,
)

OnCommand = Callable[[str, float, bool], None]
"""Called with a command's name, its seconds and whether it failed, in the thread that ran it."""

_NAMES: Final = frozenset(
    {
        "abortTransaction", "aggregate", "bulkWrite", "commitTransaction", "count", "createIndexes",
        "delete", "distinct", "dropIndexes", "endSessions", "find", "findAndModify", "getMore",
        "hello", "insert", "killCursors", "listCollections", "listIndexes", "ping", "update",
    }
)  # fmt: skip
OTHER: Final = "other"
"""The name of any other command: what is measured by names has to know their end."""


class CommandTimer(CommandListener):
    """Tells ``on_command`` of every command that has ended."""

    def __init__(self, on_command: OnCommand) -> None:
        self._on_command = on_command

    def started(self, event: CommandStartedEvent) -> None:
        """Nothing is known of it yet."""

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """MongoDB has answered. What it says of single documents is in the answer."""
        self._tell(event.command_name, event.duration_micros, failed=False)

    def failed(self, event: CommandFailedEvent) -> None:
        """MongoDB has refused it, or nothing came."""
        self._tell(event.command_name, event.duration_micros, failed=True)

    def _tell(self, name: str, micros: int, *, failed: bool) -> None:
        self._on_command(name if name in _NAMES else OTHER, micros / 1e6, failed)

"""A transport that writes an answer's head and body in one piece, and waits for nobody for ever."""

import asyncio
from typing import Any

_LOOKS = 5
"""Looks at what a client takes, within the time after which it is cut off."""


class GatheringTransport(asyncio.Transport):
    """Holds a piece back until the next one comes, then writes both at once.

    uvicorn writes an answer's head and its body apart, and a write is the dearest thing that an
    answer needs: it ends in the client's process being woken, each time. A piece that is followed
    by none is written in the event loop's next turn.

    A client that takes nothing for ``patience`` seconds while it is watched is cut off. Who takes
    little by little is not, however long that goes on.
    """

    def __init__(
        self, beneath: asyncio.Transport, loop: asyncio.AbstractEventLoop, patience: float
    ) -> None:
        super().__init__()
        self._beneath = beneath
        self._loop = loop
        self._patience = patience
        self._held = b""
        self._left = 0
        self._taken_at = 0.0
        self._next_look: asyncio.TimerHandle | None = None

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Write ``data`` with what is held, or hold it if nothing is."""
        if self._held:
            # Not later: a client that has its answer sends the next request while others wait.
            held, self._held = self._held, b""
            self._beneath.write(held + data)
        elif data:
            self._held = bytes(data)
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        held, self._held = self._held, b""
        if held and not self._beneath.is_closing():
            self._beneath.write(held)

    def watch(self) -> None:
        """See to it that the client takes what is written."""
        if self._next_look is None:
            self._left, self._taken_at = self.get_write_buffer_size(), self._loop.time()
            self._look_later()

    def unwatch(self) -> None:
        """Let it take its time."""
        if self._next_look is not None:
            self._next_look.cancel()
            self._next_look = None

    def _look_later(self) -> None:
        self._next_look = self._loop.call_later(self._patience / _LOOKS, self._look)

    def _look(self) -> None:
        left, now = self.get_write_buffer_size(), self._loop.time()
        if left < self._left:
            self._taken_at = now
        self._left = left
        if now - self._taken_at < self._patience:
            self._look_later()
        else:
            self.abort()

    def close(self) -> None:
        """Write what is held, then close: once the client has taken all, or takes no more."""
        self._flush()
        self._beneath.close()
        if self.get_write_buffer_size():
            self.watch()

    def abort(self) -> None:
        """Close at once; what is held is lost."""
        self._held = b""
        self._beneath.abort()

    def get_write_buffer_size(self) -> int:
        """Bytes that are written, or held, and have not left yet."""
        return len(self._held) + self._beneath.get_write_buffer_size()

    def is_closing(self) -> bool:
        """Whether it is closed, or about to be."""
        return self._beneath.is_closing()

    def pause_reading(self) -> None:
        """Ask for no more of what the client sends."""
        self._beneath.pause_reading()

    def resume_reading(self) -> None:
        """Ask for more again."""
        self._beneath.resume_reading()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """What the transport beneath says."""
        return self._beneath.get_extra_info(name, default)

"""A transport that writes an answer's head and body in one piece."""

import asyncio
from typing import Any


class GatheringTransport(asyncio.Transport):
    """Holds a piece back until the next one comes, then writes both at once.

    uvicorn writes an answer's head and its body apart, and a write is the dearest thing that an
    answer needs: it ends in the client's process being woken, each time. A piece that is followed
    by none is written in the event loop's next turn.
    """

    def __init__(self, beneath: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._beneath = beneath
        self._loop = loop
        self._held = b""

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

    def close(self) -> None:
        """Write what is held, then close."""
        self._flush()
        self._beneath.close()

    def abort(self) -> None:
        """Close at once; what is held is lost."""
        self._held = b""
        self._beneath.abort()

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

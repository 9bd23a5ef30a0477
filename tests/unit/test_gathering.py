"""Answers leave in one piece, and nothing of them is lost or held for long."""

import asyncio

from fogbell_intake.gathering import GatheringTransport


class _Beneath(asyncio.Transport):
    """Keeps what is written, piece by piece."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[bytes] = []
        self.closed = False
        self.aborted = False
        self.left = 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.closed
        self.pieces.append(bytes(data))

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = self.aborted = True

    def get_write_buffer_size(self) -> int:
        return self.left


PATIENCE = 0.3


def _gathering() -> tuple[GatheringTransport, _Beneath]:
    beneath = _Beneath()
    return GatheringTransport(beneath, asyncio.get_running_loop(), PATIENCE), beneath


async def test_a_head_goes_with_its_body() -> None:
    """One write for both, and at once: whoever waits for it sends the next request."""
    gathering, beneath = _gathering()
    gathering.write(b"head ")
    gathering.write(b"body")
    assert beneath.pieces == [b"head body"]
    await asyncio.sleep(0)
    assert beneath.pieces == [b"head body"]


async def test_a_piece_that_stays_alone_is_written_in_the_next_turn() -> None:
    """A stream's events come one by one."""
    gathering, beneath = _gathering()
    gathering.write(b"event")
    assert beneath.pieces == []
    await asyncio.sleep(0)
    assert beneath.pieces == [b"event"]


async def test_a_head_without_a_body_is_written_at_once() -> None:
    """uvicorn writes an empty body then."""
    gathering, beneath = _gathering()
    gathering.write(b"head")
    gathering.write(b"")
    assert beneath.pieces == [b"head"]


async def test_closing_writes_what_is_held() -> None:
    """A refusal is written, then its connection closed."""
    gathering, beneath = _gathering()
    gathering.write(b"refused")
    gathering.close()
    assert beneath.pieces == [b"refused"]
    assert gathering.is_closing()


async def test_nothing_is_written_once_the_connection_is_gone() -> None:
    """It may go between a write and the next turn; the transport beneath would raise."""
    gathering, beneath = _gathering()
    gathering.write(b"late")
    beneath.close()
    await asyncio.sleep(0)
    assert beneath.pieces == []


async def test_aborting_writes_nothing() -> None:
    """What is held is lost, as what a socket holds would be."""
    gathering, beneath = _gathering()
    gathering.write(b"head")
    gathering.abort()
    await asyncio.sleep(0)
    assert beneath.pieces == []
    assert gathering.is_closing()


async def test_what_is_left_counts_what_is_held() -> None:
    gathering, beneath = _gathering()
    beneath.left = 3
    gathering.write(b"head")
    assert gathering.get_write_buffer_size() == 7


async def test_a_close_waits_for_a_client_that_takes_little_by_little_and_for_no_other() -> None:
    gathering, beneath = _gathering()
    beneath.left = 20
    gathering.close()
    for _ in range(10):
        beneath.left -= 1
        await asyncio.sleep(PATIENCE / 5)
    assert not beneath.aborted
    await asyncio.sleep(3 * PATIENCE)
    assert beneath.aborted


async def test_who_is_no_longer_watched_may_take_nothing() -> None:
    gathering, beneath = _gathering()
    beneath.left = 10
    gathering.watch()
    gathering.unwatch()
    await asyncio.sleep(3 * PATIENCE)
    assert not beneath.aborted

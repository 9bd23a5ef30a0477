"""Slow clients: none holds a connection for longer than it is given, and none holds up another.

What they are given is shortened here; intake's own times are in `fogbell_intake.limits`.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from time import monotonic

import pytest
from starlette.requests import Request
from starlette.responses import Response
from tests.support.directory import Intake, directory_intake

from fogbell_intake import parsing, server
from fogbell_intake.routing import public, starlette_routes

GIVEN = 0.3
IDLE = 0.6
LONG = 10.0
DRIP = 0.02
SLOW_CLIENTS = 200
HEAD = b"POST /v1/notifications HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="module", autouse=True)
def _short() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server, "HEAD_TIMEOUT", GIVEN)
        patch.setattr(server, "LINGER", GIVEN)
        patch.setattr(server, "KEEP_ALIVE", IDLE)
        patch.setattr(parsing, "BODY_TIMEOUT", GIVEN)
        yield


async def _held(request: Request) -> Response:
    held: asyncio.Event = request.app.state.held
    await held.wait()
    return Response(status_code=204)


@pytest.fixture(scope="module")
async def intake(mongo_uri: str) -> AsyncIterator[Intake]:
    async with directory_intake(mongo_uri) as served:
        served.app.state.held = asyncio.Event()
        served.app.router.routes.extend(starlette_routes([public("/held", _held)]))
        yield served


@contextlib.asynccontextmanager
async def _connected(
    intake: Intake,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection(*intake.address)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def _dripping(intake: Intake, opening: bytes, drop: bytes = b"a") -> tuple[bytes, float]:
    """What is answered to ``opening`` and then to a drop now and then, until the connection ends,
    and after how many seconds that is.
    """
    began = monotonic()
    async with _connected(intake) as (reader, writer):
        writer.write(opening)
        answer = asyncio.create_task(_all(reader))
        async with asyncio.timeout(LONG):
            while not (await asyncio.wait([answer], timeout=DRIP))[0]:
                writer.write(drop)
        return await answer, monotonic() - began


async def _all(reader: asyncio.StreamReader) -> bytes:
    """Everything until the end, however the connection ends."""
    taken = b""
    with contextlib.suppress(ConnectionError):
        while piece := await reader.read(65_536):
            taken += piece
    return taken


def _authorized(intake: Intake, *lines: bytes) -> bytes:
    key = intake.client.headers["authorization"].encode()
    return (
        HEAD + b"".join(b"%b\r\n" % line for line in (b"Authorization: " + key, *lines)) + b"\r\n"
    )


@pytest.mark.parametrize("opening", [b"GET /", b"GET /healthz HTTP/1.1\r\nX-A: ", HEAD])
async def test_a_head_that_drips_is_refused_when_its_time_is_up(
    intake: Intake, opening: bytes
) -> None:
    answer, seconds = await _dripping(intake, opening)
    assert answer.startswith(b"HTTP/1.1 408 "), answer
    assert GIVEN <= seconds < LONG / 2


async def test_a_head_that_comes_in_pieces_within_its_time_is_answered(intake: Intake) -> None:
    async with _connected(intake) as (reader, writer):
        for piece in (b"GET /heal", b"thz HTTP/1.1\r\nHo", b"st: x\r\n\r", b"\n"):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(DRIP)  # so that each arrives by itself
        assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")


async def test_an_answer_under_way_is_given_before_a_late_head_ends_its_connection(
    intake: Intake,
) -> None:
    held = asyncio.get_running_loop().call_later(2 * GIVEN, intake.app.state.held.set)
    next_one = b"GET /healthz HTTP/1.1\r\nX"
    answer, _ = await _dripping(intake, b"GET /held HTTP/1.1\r\nHost: x\r\n\r\n" + next_one)
    assert held.when() <= asyncio.get_running_loop().time()
    assert answer.startswith(b"HTTP/1.1 204 "), answer
    assert answer.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize(
    ("how", "drop"),
    [(b"Content-Length: 100000", b" "), (b"Transfer-Encoding: chunked", b"1\r\n \r\n")],
)
async def test_a_body_that_drips_is_refused_when_its_time_is_up(
    intake: Intake, how: bytes, drop: bytes
) -> None:
    answer, seconds = await _dripping(intake, _authorized(intake, how), drop)
    assert answer.startswith(b"HTTP/1.1 408 "), answer
    assert b"request-timeout" in answer
    assert 2 * GIVEN <= seconds < LONG / 2


@pytest.mark.parametrize(
    ("opening", "status"),
    [
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n", b"200"),
        (HEAD + b"Content-Length: 100000\r\n\r\n", b"401"),
        (HEAD + b"Transfer-Encoding: chunked\r\nAuthorization: Bearer fbk_x\r\n\r\n1", b"401"),
    ],
)
async def test_a_body_that_nobody_reads_keeps_no_connection(
    intake: Intake, opening: bytes, status: bytes
) -> None:
    answer, seconds = await _dripping(intake, opening, drop=b"0")
    assert answer.startswith(b"HTTP/1.1 " + status), answer
    assert seconds < LONG / 2


async def test_a_connection_that_says_nothing_is_closed(intake: Intake) -> None:
    async with _connected(intake) as (reader, _), asyncio.timeout(LONG):
        assert await reader.read() == b""


async def test_a_body_that_comes_whole_after_its_answer_keeps_no_connection(
    intake: Intake,
) -> None:
    async with _connected(intake) as (reader, writer), asyncio.timeout(LONG):
        writer.write(HEAD + b"Content-Length: 10\r\n\r\n")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 401 ")
        writer.write(b"0" * 10)
        assert b"HTTP/1.1 " not in await _all(reader)


async def test_a_stray_line_end_is_no_head(intake: Intake) -> None:
    """RFC 9112, 2.2. Nor is it a request: the connection is idle on."""
    opening = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    began = monotonic()
    async with _connected(intake) as (reader, writer), asyncio.timeout(LONG):
        writer.write(opening)
        assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
        for _ in range(3):
            await asyncio.sleep(DRIP)
            writer.write(b"\r\n")
        assert b"HTTP/1.1 " not in await _all(reader)
    assert monotonic() - began >= IDLE
    answer, seconds = await _dripping(intake, opening, drop=b"\r\n")
    assert answer.count(b"HTTP/1.1 ") == 1
    assert seconds < LONG / 2


async def test_a_head_that_begins_behind_a_request_has_its_time_too(intake: Intake) -> None:
    request = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    async with _connected(intake) as (reader, writer), asyncio.timeout(LONG):
        writer.write(request + request[:-4])
        answer = await _all(reader)
    assert answer.startswith(b"HTTP/1.1 200 "), answer
    assert answer.count(b"HTTP/1.1 ") == 2
    assert b"HTTP/1.1 408 " in answer


async def test_an_answer_under_way_is_given_before_a_large_head_ends_its_connection(
    intake: Intake,
) -> None:
    held = intake.app.state.held = asyncio.Event()
    async with _connected(intake) as (reader, writer), asyncio.timeout(LONG):
        writer.write(b"GET /held HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nX-A: ")
        await asyncio.sleep(DRIP)
        writer.write(b"a" * 70_000)
        await asyncio.sleep(3 * DRIP)
        held.set()
        answer = await _all(reader)
    assert answer.startswith(b"HTTP/1.1 204 "), answer
    assert answer.count(b"HTTP/1.1 ") == 1


@pytest.fixture(scope="module")
async def large(intake: Intake) -> bytes:
    """A request without its last line, for more than the buffers of both ends hold: a part of
    the answer stays with intake until the client takes it.
    """
    people = [
        b'{"id": "slow%03d", "attributes": {"a": "%b"}}' % (n, b"x" * 60_000) for n in range(200)
    ]
    kind = {"Content-Type": "application/x-ndjson"}
    stored = await intake.client.post(
        "/v1/recipients/import", content=b"\n".join(people), headers=kind
    )
    assert stored.json()["imported"] == 200
    key = intake.client.headers["authorization"].encode()
    return b"GET /v1/recipients?limit=200 HTTP/1.1\r\nHost: x\r\nAuthorization: %b\r\n" % key


LARGE = 200 * 60_000


@pytest.mark.parametrize("ending", [b"", b"Connection: close\r\n", b"Content-Length: 9\r\n"])
async def test_who_does_not_take_an_answer_is_cut_off(
    intake: Intake, large: bytes, ending: bytes
) -> None:
    """Whether the connection is kept, closed, or lingers for a body."""
    assert await _taken_late(intake, large + ending + b"\r\n") < LARGE


@pytest.mark.parametrize("next_one", [b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", b"G"])
async def test_who_asks_for_more_without_taking_an_answer_is_cut_off(
    intake: Intake, large: bytes, next_one: bytes
) -> None:
    assert await _taken_late(intake, large + b"\r\n", next_one) < LARGE


async def _taken_late(intake: Intake, *pieces: bytes) -> int:
    """How many bytes come to a client that begins to take them when its time is over."""
    loop = asyncio.get_running_loop()
    with socket.create_connection(intake.address) as lazy:
        lazy.setblocking(False)
        for piece in pieces:
            await loop.sock_sendall(lazy, piece)
            await asyncio.sleep(IDLE / 2)
        await asyncio.sleep(4 * IDLE)  # this is what it does: nothing
        taken = 0
        async with asyncio.timeout(LONG):
            with contextlib.suppress(ConnectionError):
                while piece := await loop.sock_recv(lazy, 1 << 20):
                    taken += len(piece)
    assert taken
    return taken


@pytest.mark.parametrize("ending", [b"", b"Connection: close\r\n"])
async def test_who_takes_an_answer_slowly_is_given_all_of_it(
    intake: Intake, large: bytes, ending: bytes
) -> None:
    loop, began = asyncio.get_running_loop(), monotonic()
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        slow.setblocking(False)
        await loop.sock_connect(slow, intake.address)
        await loop.sock_sendall(slow, large + ending + b"\r\n")
        taken = 0
        async with asyncio.timeout(3 * LONG):
            while piece := await loop.sock_recv(slow, 1 << 16):
                taken += len(piece)
                await asyncio.sleep(DRIP / 2)
    assert taken > LARGE
    assert monotonic() - began > 3 * IDLE


async def test_many_slow_clients_hold_nobody_up_and_are_all_gone_in_time(intake: Intake) -> None:
    openings = [HEAD, _authorized(intake, b"Content-Length: 100000")]
    async with contextlib.AsyncExitStack() as stack:
        slow = []
        for number in range(SLOW_CLIENTS):
            reader, writer = await stack.enter_async_context(_connected(intake))
            writer.write(openings[number % 2])
            slow.append(reader)
        async with asyncio.timeout(LONG / 2):
            answer = await intake.exchange(_authorized(intake, b"Content-Length: 2") + b"{}")
        assert answer.startswith(b"HTTP/1.1 422 ")
        async with asyncio.timeout(LONG):
            answers = await asyncio.gather(*(_all(reader) for reader in slow))
    assert all(answer.startswith(b"HTTP/1.1 408 ") for answer in answers)

"""A client of HTTP/1.1 that costs next to nothing: it shares the cores with what it measures.

One connection, one request at a time, answers with a Content-Length; and streams of events. A
library costs several times what a request costs the server, and would be what is measured.
"""

import asyncio
import itertools
import json
import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from fogbell_local.environment import HOST

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and a body."""

    status: int
    body: bytes


class Connection(asyncio.Protocol):
    """One connection that is kept open."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[Answer] | None = None
        self._received = b""

    @classmethod
    async def open(cls, port: int) -> "Connection":
        """Connect to a port of this machine."""
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(cls, HOST, port)
        return connection

    def request(self, head_and_body: bytes) -> "asyncio.Future[Answer]":
        """Send a whole request; the answer to come. One at a time."""
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(head_and_body)
        return self._answer

    def close(self) -> None:
        """Close it."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Take what has come; an answer is whole once its body is."""
        received = self._received = self._received + data if self._received else data
        end = received.find(b"\r\n\r\n")
        length = _LENGTH.search(received, 0, end) if end >= 0 else None
        if length is None or len(received) < end + 4 + int(length[1]):
            return
        self._received = b""
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(Answer(int(received[9:12]), received[end + 4 :]))

    def connection_lost(self, exc: Exception | None) -> None:
        """Whoever waits learns of it."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionResetError("the server closed"))


def post(path: str, body: dict[str, Any], headers: dict[str, str]) -> bytes:
    """A POST of JSON, as it goes over the wire."""
    content = json.dumps(body).encode()
    told = {**headers, "Content-Type": "application/json", "Content-Length": str(len(content))}
    return _head("POST", path, told) + content


def get(path: str, headers: dict[str, str]) -> bytes:
    """A GET, as it goes over the wire."""
    return _head("GET", path, headers)


def _head(method: str, path: str, headers: dict[str, str]) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", f"Host: {HOST}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


@dataclass(slots=True)
class Load:
    """What a load gave: seconds for each answer, and over all of them."""

    latencies: list[float] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.latencies) / self.seconds


async def load(
    ports: Sequence[int], requests: Sequence[bytes], concurrency: int, expected: int
) -> Load:
    """Send ``requests`` over ``concurrency`` connections, each as soon as it has its last answer.

    The connections are shared out over ``ports``, as a balancer would over replicas. Raises
    RuntimeError at an answer of another status.
    """
    connections = [
        await Connection.open(port)
        for port in itertools.islice(itertools.cycle(ports), concurrency)
    ]
    left = iter(requests)
    result = Load()

    async def one(connection: Connection) -> None:
        for request in left:
            began = time.perf_counter()
            answer = await connection.request(request)
            result.latencies.append(time.perf_counter() - began)
            if answer.status != expected:
                raise RuntimeError(f"expected {expected}, not {answer.status}: {answer.body!r}")

    began = time.perf_counter()
    try:
        await asyncio.gather(*map(one, connections))
    finally:
        result.seconds = time.perf_counter() - began
        for connection in connections:
            connection.close()
    return result


class Events(asyncio.Protocol):
    """A stream of events: ``receive`` is called with each piece that comes."""

    def __init__(self, request: bytes, receive: Callable[[bytes], None]) -> None:
        self._request = request
        self._receive = receive
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the stream."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Pass it on."""
        self._receive(data)

    def close(self) -> None:
        """Leave."""
        if self._transport is not None:
            self._transport.close()


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which ``share`` of ``values`` lie: 0.99 for p99; 0 where there are none."""
    found = sorted(values)
    return found[min(len(found) - 1, int(share * len(found)))] if found else 0.0


def milliseconds(values: Sequence[float]) -> dict[str, float]:
    """The usual figures of latencies in seconds."""
    return {f"p{share}_ms": quantile(values, share / 100) * 1000 for share in (50, 99)}


@dataclass(frozen=True, slots=True)
class Timed:
    """An answer, and when its request was to be sent and when it came (`time.time`)."""

    answer: Answer
    due_at: float
    answered_at: float

    @property
    def seconds(self) -> float:
        """Counted from when it was due: a server that is late delays nobody's clock."""
        return self.answered_at - self.due_at


class Pacer:
    """Sends requests at their times, whatever becomes of those before."""

    def __init__(self, port: int, per_second: float) -> None:
        self._port = port
        self._pause = 1 / per_second
        self._idle: list[Connection] = []
        self.timed: list[Timed] = []

    async def send(self, requests: Iterable[bytes]) -> list[Timed]:
        """Send all of them, and wait for the answers."""
        loop = asyncio.get_running_loop()
        start = loop.time()
        try:
            async with asyncio.TaskGroup() as group:
                for number, request in enumerate(requests):
                    await asyncio.sleep(start + number * self._pause - loop.time())
                    group.create_task(self._one(request))
        finally:
            for connection in self._idle:
                connection.close()
            self._idle.clear()
        return self.timed

    async def _one(self, request: bytes) -> None:
        due_at = time.time()
        connection = self._idle.pop() if self._idle else await Connection.open(self._port)
        answer = await connection.request(request)
        self.timed.append(Timed(answer, due_at, time.time()))
        self._idle.append(connection)

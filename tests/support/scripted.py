"""An HTTP server on loopback that answers what a test has written down, byte for byte."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field

CUT = b""
"""An answer: close the connection instead."""


def answer(status: int, document: object = None, headers: Mapping[str, str] | None = None) -> bytes:
    """An answer with a JSON body, or none."""
    body = b"" if document is None else json.dumps(document).encode()
    lines = [f"HTTP/1.1 {status} Scripted", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def events(*frames: str, rest: str = "") -> bytes:
    """An event stream that ends after these frames and ``rest``, its connection with it."""
    head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
    return (head + "".join(f"{frame}\n\n" for frame in frames) + rest).encode()


@dataclass(frozen=True)
class Asked:
    """A request as it came: header names in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Scripted:
    """Where it is, and what it was asked."""

    url: str
    asked: list[Asked] = field(default_factory=list)


@contextlib.asynccontextmanager
async def scripted(answers: Sequence[bytes]) -> AsyncIterator[Scripted]:
    """Give each request the next of ``answers``; the last one stays."""
    script = list(answers)
    open_connections: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        open_connections.add(task)
        try:
            while not writer.is_closing():
                server.asked.append(await _read(reader))
                given = script.pop(0) if len(script) > 1 else script[0]
                writer.write(given)
                await writer.drain()
                if given == CUT or b"Connection: close" in given:
                    writer.close()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client has closed
        finally:
            writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    server = Scripted(f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}")
    try:
        yield server
    finally:
        listener.close()
        for task in open_connections:
            task.cancel()
        await asyncio.gather(*open_connections, return_exceptions=True)


async def _read(reader: asyncio.StreamReader) -> Asked:
    line, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().rstrip().split("\r\n")
    method, target, _ = line.split(" ")
    headers = {name.lower(): value for name, value in (text.split(": ", 1) for text in lines)}
    return Asked(method, target, headers, await _read_body(reader, headers))


async def _read_body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    if headers.get("transfer-encoding") != "chunked":
        return await reader.readexactly(int(headers.get("content-length", "0")))
    body = b""
    while size := int(await reader.readline(), 16):
        body += await reader.readexactly(size)
        await reader.readline()
    await reader.readline()
    return body

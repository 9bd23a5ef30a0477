"""HTTP/1.1 as the sink speaks it: read a request, have it answered, keep the connection."""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import h11

MAX_BODY = 1024 * 1024
"""Octets; what is longer is answered with 413."""

_READ = 64 * 1024


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked. ``path`` is without its query; names of headers are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """What is answered."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


Answer = Callable[[Request], Awaitable[Reply]]


def json_reply(status: int, document: Mapping[str, object]) -> Reply:
    """``document`` as JSON."""
    return Reply(status, (("Content-Type", "application/json"),), json.dumps(document).encode())


async def serve(answer: Answer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer one connection's requests until either side closes it."""
    connection = h11.Connection(h11.SERVER)
    with contextlib.suppress(ConnectionError), contextlib.closing(writer):
        while (request := await _request(connection, reader)) is not None:
            reply = Reply(413) if len(request.body) > MAX_BODY else await answer(request)
            writer.write(_encode(connection, reply))
            await writer.drain()
            if connection.our_state is not h11.DONE:
                return
            connection.start_next_cycle()


async def _request(connection: h11.Connection, reader: asyncio.StreamReader) -> Request | None:
    """The next request with its body, cut off behind `MAX_BODY`; None at the connection's end."""
    head = await _event(connection, reader)
    if not isinstance(head, h11.Request):
        return None
    body = bytearray()
    while isinstance(event := await _event(connection, reader), h11.Data):
        if len(body) <= MAX_BODY:
            body += event.data
    return _read(head, bytes(body)) if isinstance(event, h11.EndOfMessage) else None


async def _event(connection: h11.Connection, reader: asyncio.StreamReader) -> object:
    """What comes next; None where the client breaks the protocol."""
    while True:
        try:
            event = connection.next_event()
        except h11.RemoteProtocolError:
            return None
        if event is not h11.NEED_DATA:
            return event
        connection.receive_data(await reader.read(_READ))


def _read(head: h11.Request, body: bytes) -> Request:
    return Request(
        method=head.method.decode("latin-1"),
        path=head.target.decode("latin-1").partition("?")[0],
        headers={name.decode(): value.decode("latin-1") for name, value in head.headers},
        body=body,
    )


def _encode(connection: h11.Connection, reply: Reply) -> bytes:
    length = ("Content-Length", str(len(reply.body)))
    head = h11.Response(status_code=reply.status, headers=[*reply.headers, length])
    events = (head, h11.Data(data=reply.body), h11.EndOfMessage())
    return b"".join(connection.send(event) or b"" for event in events)

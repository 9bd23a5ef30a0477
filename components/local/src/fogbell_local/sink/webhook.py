"""The sink's HTTP side: a receiver of webhooks, identified by their ``webhook-id`` header.

Any path is taken; one that starts with ``/unavailable`` answers 503 with ``Retry-After`` the first
time, one that starts with ``/gone`` answers 410.
"""

import asyncio
import contextlib

import h11

from fogbell_local.sink import ledger
from fogbell_local.sink.ledger import Entry, Outcome
from fogbell_local.sink.refusal import GONE_PATH
from fogbell_local.sink.smtp import Answering

RETRY_AFTER_SECONDS = 2
_READ = 64 * 1024

Headers = list[tuple[str, str]]


async def serve(
    answering: Answering, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Answer one connection's requests until either side closes it."""
    connection = h11.Connection(h11.SERVER)
    with contextlib.suppress(ConnectionError), contextlib.closing(writer):
        while (request := await _request(connection, reader)) is not None:
            writer.write(_encode(connection, *await _answer(answering, request)))
            await writer.drain()
            if connection.our_state is not h11.DONE:
                return
            connection.start_next_cycle()


async def _request(connection: h11.Connection, reader: asyncio.StreamReader) -> h11.Request | None:
    """The next request, with its body read and dropped; None at the connection's end."""
    request: h11.Request | None = None
    while True:
        try:
            event = connection.next_event()
        except h11.RemoteProtocolError:
            return None
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(_READ))
        elif isinstance(event, h11.Request):
            request = event
        elif isinstance(event, h11.EndOfMessage):
            return request
        elif isinstance(event, h11.ConnectionClosed):
            return None


async def _answer(answering: Answering, request: h11.Request) -> tuple[int, Headers]:
    delivery = dict(request.headers).get(b"webhook-id", b"").decode("latin-1")
    if request.method != b"POST":
        return 405, [("Allow", "POST")]
    if not delivery:
        return 400, []
    path = request.target.decode("latin-1").partition("?")[0]
    outcome = answering.refusals.webhook(delivery, path)
    done = asyncio.get_running_loop().create_future()
    answering.answer(Entry(ledger.now(), delivery, outcome, path=path), lambda: _settle(done))
    await done
    if outcome is Outcome.ACCEPTED:
        return 200, []
    if path.startswith(GONE_PATH):
        return 410, []
    return 503, [("Retry-After", str(RETRY_AFTER_SECONDS))]


def _settle(done: "asyncio.Future[None]") -> None:
    if not done.done():
        done.set_result(None)


def _encode(connection: h11.Connection, status: int, headers: Headers) -> bytes:
    response = h11.Response(status_code=status, headers=[*headers, ("Content-Length", "0")])
    parts = (connection.send(response), connection.send(h11.EndOfMessage()))
    return b"".join(part for part in parts if part is not None)

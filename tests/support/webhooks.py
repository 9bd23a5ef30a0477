"""A webhook receiver that can misbehave on the wire, and deliveries to post to it."""

import asyncio
import contextlib
import ssl
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pydantic import SecretStr

from fogbell.model.address import Addresses, WebhookAddress
from fogbell.model.content import WebhookContent
from fogbell.model.delivery import Claimed
from fogbell.model.notification import Audience, Notification, Origin, OriginType
from fogbell.model.status import Channel, Lane
from fogbell_worker.sending import Work

CREATED_AT = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)
ORDERED = WebhookContent(type="order.paid", data={"order": "{{ data.order }}"})


@dataclass(frozen=True)
class Received:
    """One request as it came: header names in lower case."""

    line: str
    headers: dict[str, str]
    body: bytes


Answer = Callable[[Received, asyncio.StreamWriter], Awaitable[None]]


def reply(status: int, headers: str = "", body: bytes = b"") -> Answer:
    """Answer with ``status``; ``headers`` are whole lines."""
    head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
    return raw(head.encode() + body)


def raw(data: bytes, *, close: bool = False) -> Answer:
    """Answer with these bytes, whatever they are."""

    async def answer(_: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        if close:
            writer.close()

    return answer


async def hang(_: Received, __: asyncio.StreamWriter) -> None:
    """Never answer."""
    await asyncio.Event().wait()


@dataclass
class Receiver:
    """An HTTP/1.1 server on a loopback port of its own; ``answers`` run out to the last one."""

    answers: list[Answer] = field(default_factory=lambda: [reply(204)])
    requests: list[Received] = field(default_factory=list)
    connections: int = 0
    port: int = 0

    @property
    def url(self) -> str:
        """Where it listens, with a path and a query."""
        return f"http://127.0.0.1:{self.port}/hooks/7?shop=1"

    @contextlib.asynccontextmanager
    async def listen(self, tls: ssl.SSLContext | None = None) -> AsyncIterator["Receiver"]:
        """Serve until the block ends."""
        serving: set[asyncio.Task[None]] = set()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            serving.add(asyncio.ensure_future(self._serve(reader, writer)))

        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in serving:
                task.cancel()
            await asyncio.gather(*serving, return_exceptions=True)
            await server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while not writer.is_closing():
                request = await _read(reader)
                self.requests.append(request)
                answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                await answer(request, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client has closed
        finally:
            writer.close()


async def _read(reader: asyncio.StreamReader) -> Received:
    line, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().rstrip().split("\r\n")
    pairs = (text.split(": ", 1) for text in lines)
    headers = {name.lower(): value for name, value in pairs}
    return Received(line, headers, await reader.readexactly(int(headers["content-length"])))


def webhook_work(
    url: str,
    *,
    secrets: tuple[str, ...] = (),
    part: WebhookContent = ORDERED,
    simulate: bool = False,
    replays: int = 0,
    notification_id: uuid.UUID | None = None,
    data: dict[str, Any] | None = None,
) -> Work:
    """A claimed webhook delivery of a fresh notification."""
    notification = Notification(
        id=notification_id or uuid.uuid4(),
        origin=Origin(OriginType.API, "shop", simulate=simulate),
        channels=(Channel.WEBHOOK,),
        lane=Lane.TRANSACTIONAL,
        audience=Audience(),
    )
    delivery = Claimed(
        id=uuid.uuid4(),
        token="token",
        notification_id=notification.id,
        recipient_id="ann",
        channel=Channel.WEBHOOK,
        lane=Lane.TRANSACTIONAL,
        created_at=CREATED_AT,
        replays=replays,
    )
    address = WebhookAddress(url=url, secrets=[SecretStr(secret) for secret in secrets])
    return Work(
        delivery,
        notification,
        part,
        Addresses(webhook=address),
        recipient={"id": "ann"},
        data={"order": "A-1"} if data is None else data,
    )

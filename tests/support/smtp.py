"""A relay whose every answer a test writes down, and the work to send it."""

import asyncio
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.support.routing import Attempting, provided, routed

from fogbell.model.address import Addresses
from fogbell.model.content import EmailContent
from fogbell.model.delivery import Claimed
from fogbell.model.notification import Audience, Notification, Origin, OriginType
from fogbell.model.status import Channel, Lane
from fogbell_worker.channels.email import EmailSettings
from fogbell_worker.sending import Work

CLOSE = "close"
"""Instead of an answer: hang up."""
SILENCE = "silence"
"""Instead of an answer: nothing, for ever."""
HOLD = "hold"
"""Before an answer, as in ``hold|250 ok``: not until `Relay.held` is set."""
HELLO = "250-relay\r\n250-PIPELINING\r\n250 ENHANCEDSTATUSCODES"
PLAIN_HELLO = "250 relay"

_DEFAULT = {
    "CONNECT": "220 relay",
    "EHLO": HELLO,
    "RSET": "250 2.0.0 ok",
    "MAIL": "250 2.1.0 ok",
    "RCPT": "250 2.1.5 ok",
    "DATA": "354 go",
    ".": "250 2.0.0 queued",
    "QUIT": "221 2.0.0 bye",
}

Answers = Mapping[str, str | Sequence[str]]


@dataclass
class Relay:
    """Answers each command word from ``answers``; a sequence is used up, its last one stays.

    An answer may end in ``|close``: say it, then hang up. ``mails`` are those that got a final dot
    and were answered with 250 or cut off there; ``heard`` is every command line of all sessions.
    """

    answers: Answers = field(default_factory=dict)
    port: int = 0
    sessions: int = 0
    heard: list[str] = field(default_factory=list)
    mails: list[bytes] = field(default_factory=list)
    writers: set[asyncio.StreamWriter] = field(default_factory=set)
    held: asyncio.Event = field(default_factory=asyncio.Event)
    _asked: Counter[str] = field(default_factory=Counter)

    def answer(self, word: str) -> str:
        given = self.answers.get(word, _DEFAULT.get(word, "500 5.5.2 what"))
        if isinstance(given, str):
            return given
        self._asked[word] += 1
        return given[min(self._asked[word], len(given)) - 1]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.sessions += 1
        try:
            if await self._say(writer, "CONNECT"):
                await self._talk(reader, writer)
        except ConnectionError:
            pass
        finally:
            self.writers.discard(writer)
            writer.transport.abort()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            self.heard.append(line.decode().rstrip("\r\n"))
            word = self.heard[-1][:4].upper()
            answer = self.answer(word)
            if not await self._say_text(writer, answer) or word == "QUIT":
                return
            if answer.startswith("354") and not await self._data(reader, writer):
                return

    async def _data(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        message = b""
        while (line := await reader.readline()) != b".\r\n":
            if not line:
                return False
            message += line.removeprefix(b".")
        self.mails.append(message)
        return await self._say(writer, ".")

    async def _say(self, writer: asyncio.StreamWriter, word: str) -> bool:
        return await self._say_text(writer, self.answer(word))

    async def _say_text(self, writer: asyncio.StreamWriter, answer: str) -> bool:
        if answer.startswith(HOLD):
            await self.held.wait()
            answer = answer.removeprefix(HOLD + "|")
        text, _, then = answer.partition("|")
        if text == SILENCE:
            await asyncio.Event().wait()
        if text != CLOSE:
            writer.write(text.encode() + b"\r\n")
            await writer.drain()
        return CLOSE not in (text, then)

    def hang_up(self) -> None:
        """Drop every connection."""
        for writer in self.writers:
            writer.transport.abort()


@asynccontextmanager
async def relay(answers: Answers | None = None) -> AsyncIterator[Relay]:
    """A relay on a free port of the loopback interface."""
    made = Relay(answers or {})
    tasks: set[asyncio.Task[None]] = set()

    def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        made.writers.add(writer)
        task = asyncio.create_task(made.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=1 << 20)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        made.hang_up()  # a task that is cancelled before it began would close nothing
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def sender(port: int, scheme: str = "smtp", **more: Any) -> AsyncIterator[Attempting]:
    """A sender over the relay on that port; closing it must find every slot returned."""
    login = more.pop("login", "")
    settings = EmailSettings.model_validate(
        {
            "url": f"{scheme}://{login}localhost:{port}",
            "from_address": "Fogbell <bell@example.net>",
            "helo_name": "client.example.net",
            "send_timeout": 5,
            "connect_timeout": 4,
            **more,
        }
    )
    made = Attempting(routed(Channel.EMAIL, provided("smtp", settings)))
    try:
        yield made
    finally:
        await made.close()
        assert (made.pool.in_use, made.pool.idle, made.pool.open) == (0, 0, 0)


def notification(*, simulate: bool = False) -> Notification:
    """A notification for one e-mail; only what a channel reads is filled in."""
    return Notification(
        id=uuid.uuid4(),
        origin=Origin(OriginType.API, "shop", simulate=simulate),
        channels=(Channel.EMAIL,),
        lane=Lane.TRANSACTIONAL,
        audience=Audience(),
    )


CONTENT = EmailContent(subject="Hi {{ data.name }}", text="Dear {{ data.name }},\n.\nbye\n")


def work(
    content: EmailContent = CONTENT,
    *,
    email: str | None = "ann@example.org",
    of: Notification | None = None,
    **data: Any,
) -> Work:
    """One claimed delivery of ``content``."""
    of = of or notification()
    delivery = Claimed(
        id=uuid.uuid4(),
        token="token",
        notification_id=of.id,
        recipient_id="ann",
        channel=Channel.EMAIL,
        lane=Lane.TRANSACTIONAL,
        created_at=datetime.now(UTC),
    )
    addresses = Addresses(email=email)
    return Work(
        delivery, of, content, addresses, recipient={"id": "ann"}, data={"name": "Ann"} | data
    )

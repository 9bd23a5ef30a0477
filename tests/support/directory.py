"""An intake for tests of the directory: one for a whole module, since each test names its own ids.

RabbitMQ is away, on purpose: nothing about the directory may need it.
"""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx2
from starlette.applications import Starlette
from tests.support.intake import intake_settings, serving

from fogbell.store.database import Database
from fogbell_intake.app import create_app

NO_RABBITMQ = "amqp://guest:guest@127.0.0.1:1/"


@dataclass
class Intake:
    """``client`` holds the bootstrap key."""

    app: Starlette
    client: httpx2.AsyncClient

    @property
    def db(self) -> Database:
        database: Database = self.app.state.database
        return database

    @property
    def address(self) -> tuple[str, int]:
        """Host and port, for tests that speak HTTP by hand."""
        url = self.client.base_url
        assert url.port is not None
        return url.host, url.port

    async def exchange(self, *pieces: bytes) -> bytes:
        """What is answered to ``pieces`` sent as they stand, until the connection closes, or an
        answer's head is there.
        """
        reader, writer = await asyncio.open_connection(*self.address)
        try:
            for piece in pieces:
                writer.write(piece)
                with contextlib.suppress(ConnectionError):
                    await writer.drain()
            async with asyncio.timeout(10):
                return await reader.readuntil(b"\r\n\r\n")
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


@contextlib.asynccontextmanager
async def directory_intake(mongo_uri: str, **settings: Any) -> AsyncIterator[Intake]:
    """An intake with a database of its own, dropped at the end."""
    name = f"t{uuid.uuid4().hex[:12]}"
    chosen = intake_settings(mongo_uri, name, NO_RABBITMQ, **settings)
    app = create_app(chosen)
    async with serving(chosen, app=app) as client:
        intake = Intake(app, client)
        await app.state.prepared.wait()
        yield intake
        await intake.db.client.drop_database(name)

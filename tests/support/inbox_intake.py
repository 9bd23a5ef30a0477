"""Intakes that serve the inbox, one or several beside each other as replicas."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
from pydantic import SecretStr
from starlette.applications import Starlette
from tests.support.inbox import announce, store_items
from tests.support.intake import TOKEN_SECRET, intake_settings, serving
from tests.support.queues import delete_queues

from fogbell.broker import Publisher, Topology
from fogbell.store.database import Database
from fogbell_intake.app import create_app
from fogbell_intake.hub import Hub
from fogbell_intake.tokens import TokenSigner

ORIGIN = "https://shop.example.org"


@dataclass
class Intake:
    """``client`` holds an API key; ``browser`` holds nothing."""

    app: Starlette
    client: httpx2.AsyncClient
    browser: httpx2.AsyncClient

    @property
    def db(self) -> Database:
        database: Database = self.app.state.database
        return database

    @property
    def hub(self) -> Hub:
        hub: Hub = self.app.state.hub
        return hub

    @property
    def publisher(self) -> Publisher:
        publisher: Publisher = self.app.state.publisher
        return publisher

    def token(self, recipient: str, lifetime: timedelta = timedelta(hours=1)) -> str:
        return sign(recipient, lifetime)

    async def get(self, recipient: str, **query: Any) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {self.token(recipient)}"}
        return await self.client.get("/v1/inbox", headers=headers, params=query)

    async def mark(self, recipient: str, item: object, what: str) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {self.token(recipient)}"}
        return await self.client.post(f"/v1/inbox/{item}/{what}", headers=headers)

    async def tell(self, recipient: str, *titles: str) -> None:
        """Store items and announce them, as the expansion does."""
        await announce(self.publisher, recipient, await store_items(self.db, recipient, titles))


@dataclass(frozen=True)
class Place:
    """What the intakes share, as replicas do."""

    mongo_uri: str
    rabbit_uri: str
    name: str

    @contextlib.asynccontextmanager
    async def intake(self, *, port: int = 0, **inbox: Any) -> AsyncIterator[Intake]:
        settings = intake_settings(
            self.mongo_uri,
            self.name,
            self.rabbit_uri,
            rabbitmq={"uri": self.rabbit_uri, "prefix": f"{self.name}."},
            # So long that nothing here passes because a stop has lost its patience.
            http={"host": "127.0.0.1", "port": port, "shutdown_seconds": 60},
            inbox={"cors_origins": [ORIGIN]} | inbox,
        )
        app = create_app(settings)
        async with serving(settings, app=app) as client:
            await app.state.prepared.wait()
            await app.state.publisher.wait_connected()
            await app.state.listener.listening.wait()
            async with httpx2.AsyncClient(
                base_url=client.base_url, trust_env=False, timeout=60
            ) as browser:
                yield Intake(app, client, browser)

    async def clear_broker(self) -> None:
        topology = Topology(f"{self.name}.")
        queues = [queue.removeprefix(topology.prefix) for queue in topology.queues()]
        await delete_queues(self.rabbit_uri, topology.prefix, queues)


def code(response: httpx2.Response) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


def sign(recipient: str, lifetime: timedelta = timedelta(hours=1)) -> str:
    """A token that every intake of a test believes."""
    signer = TokenSigner(SecretStr(TOKEN_SECRET), lifetime)
    return signer.issue(recipient, datetime.now(UTC))[0]

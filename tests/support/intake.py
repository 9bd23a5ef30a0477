"""Intake, served for real within the test's process: uvicorn on a free port."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import httpx2
from starlette.applications import Starlette

from fogbell_intake.app import begin_stop, create_app
from fogbell_intake.server import Server
from fogbell_intake.settings import IntakeSettings

KEY = "fbk_" + "k" * 40
TOKEN_SECRET = "s" * 43


def intake_settings(mongo: str, database: str, rabbit: str, **others: Any) -> IntakeSettings:
    """Settings for a test's own database; ``others`` override or add."""
    values: dict[str, Any] = {
        "mongodb": {"uri": mongo, "database": database},
        "rabbitmq": {"uri": rabbit},
        "metrics": {"host": "127.0.0.1", "port": 0},
        "http": {"host": "127.0.0.1", "port": 0, "shutdown_seconds": 2},
        "bootstrap_api_key": KEY,
        "offered_channels": "email,sms,webhook,inbox",
        "inbox_token_secret": TOKEN_SECRET,
    }
    return IntakeSettings(**(values | others))


class InProcessServer(Server):
    """Leaves signals to the test runner."""

    capture_signals = contextlib.nullcontext  # type: ignore[assignment]


@contextlib.asynccontextmanager
async def serving(
    settings: IntakeSettings, *, app: Starlette | None = None
) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of a served intake, with the bootstrap key on every request."""
    app = app or create_app(settings)
    server = InProcessServer(app, settings.http, begin_stop=lambda: begin_stop(app))
    task = asyncio.create_task(server.serve())
    try:
        while not server.started:
            assert not task.done(), "intake did not start"
            await asyncio.sleep(0.005)
        host, port = server.servers[0].sockets[0].getsockname()[:2]
        headers = {"Authorization": f"Bearer {KEY}"}
        async with httpx2.AsyncClient(
            base_url=f"http://{host}:{port}", headers=headers, trust_env=False, timeout=30
        ) as client:
            yield client
    finally:
        server.should_exit = True
        await task

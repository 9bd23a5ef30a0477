"""Local servers that behave as providers do, and claimed deliveries to send to them."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import uvicorn
from starlette.applications import Starlette

from fogbell.identity import delivery_id
from fogbell.model.address import Addresses, PushAddress
from fogbell.model.content import Part
from fogbell.model.delivery import Claimed
from fogbell.model.notification import Audience, Notification, Origin, OriginType
from fogbell.model.status import Channel, Lane
from fogbell_worker.sending import Work


class _Server(uvicorn.Server):
    """Leaves signals to the test runner."""

    capture_signals = contextlib.nullcontext  # type: ignore[assignment]


@contextlib.asynccontextmanager
async def served(app: Starlette) -> AsyncIterator[str]:
    """Serve ``app`` on a loopback port of its own until the block ends; gives its base URL."""
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, lifespan="off")
    server = _Server(config)
    task = asyncio.create_task(server.serve())
    try:
        while not server.started:
            assert not task.done(), "the server did not start"
            await asyncio.sleep(0.005)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = server.force_exit = True
        await task


def work_for(
    channel: Channel,
    part: Part,
    addresses: Addresses,
    *,
    push: PushAddress | None = None,
    lane: Lane = Lane.TRANSACTIONAL,
    simulate: bool = False,
    expires_at: datetime | None = None,
    **more: Any,
) -> Work:
    """A claimed delivery of a fresh notification; ``more`` goes to `Work` (``data``, ...)."""
    notification = Notification(
        id=uuid.uuid4(),
        origin=Origin(OriginType.API, "shop", simulate=simulate),
        channels=(channel,),
        lane=lane,
        audience=Audience(),
        expires_at=expires_at,
    )
    address = push.key if push is not None else None
    delivery = Claimed(
        id=delivery_id(notification.id, "ann", channel, address),
        token="token",
        notification_id=notification.id,
        recipient_id="ann",
        channel=channel,
        lane=lane,
        created_at=datetime(2026, 3, 1, 12, tzinfo=UTC),
    )
    return Work(delivery, notification, part, addresses, push=push, **more)

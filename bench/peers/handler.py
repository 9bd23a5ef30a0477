"""A plain handler for ``accept``: Starlette and motor, insert, insert, publish, one after another.

It asks for no API key, looks nobody up, checks nothing. Run by uvicorn with uvloop and httptools.
"""

import contextlib
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import uuid4

import aio_pika
from motor.motor_asyncio import AsyncIOMotorClient
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from bench.peers import documents
from bench.peers.place import Place


@contextlib.asynccontextmanager
async def _connected(app: Starlette) -> AsyncIterator[None]:
    place = Place.of_environment()
    client: AsyncIOMotorClient = AsyncIOMotorClient(place.mongodb, uuidRepresentation="standard")
    database = client.get_database(place.database, write_concern=documents.DURABLE)
    connection = await aio_pika.connect_robust(place.rabbitmq)
    async with connection:
        channel = await connection.channel(publisher_confirms=True)
        await channel.declare_queue(place.queue, durable=True, arguments={"x-queue-type": "quorum"})
        app.state.database, app.state.channel, app.state.queue = database, channel, place.queue
        yield
    client.close()


async def accept(request: Request) -> JSONResponse:
    """Store a notification and its one delivery, publish the delivery's id, answer 202."""
    body, state, now = await request.json(), request.app.state, datetime.now(UTC)
    notification, delivery = uuid4(), uuid4()
    await state.database["notifications"].insert_one(
        {"_id": notification, "created_at": now, **body}
    )
    await state.database["deliveries"].insert_one(
        {
            "_id": delivery,
            "notification_id": notification,
            "recipient_id": body["audience"]["recipients"][0],
            "status": "pending",
            "created_at": now,
            "sweep_at": now + documents.LEASE / 2,
        }
    )
    message = aio_pika.Message(
        json.dumps({"ids": [str(delivery)]}).encode(),
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
    )
    await state.channel.default_exchange.publish(message, state.queue)
    return JSONResponse({"id": str(notification), "status": "accepted"}, 202)


app = Starlette(routes=[Route("/v1/notifications", accept, methods=["POST"])], lifespan=_connected)

"""Clearing away the queues of one test."""

from collections.abc import Iterable

import aio_pika


async def delete_queues(uri: str, prefix: str, names: Iterable[str]) -> None:
    """Delete the queues ``prefix + name``; one that does not exist is no error."""
    connection = await aio_pika.connect(uri)
    async with connection, connection.channel() as channel:
        for name in names:
            await channel.queue_delete(f"{prefix}{name}")


async def purge(uri: str, name: str) -> None:
    """Take away what waits in a queue, which must exist."""
    connection = await aio_pika.connect(uri)
    async with connection, connection.channel() as channel:
        await (await channel.get_queue(name, ensure=False)).purge()

"""Addresses that are not to be used: bounced, complained, gone, or entered by hand."""

from collections.abc import Iterable
from datetime import datetime

from fogbell.model.status import Channel
from fogbell.store.database import Database, store_call


def key(channel: Channel, address: str) -> str:
    """The ``_id`` of a suppression: e-mail addresses are compared without case."""
    return f"{channel.value}:{address.lower() if channel is Channel.EMAIL else address}"


@store_call
async def suppressed(db: Database, keys: Iterable[str]) -> set[str]:
    """Which of ``keys`` are suppressed: answered from the ``_id`` index alone."""
    cursor = db.suppressions.find({"_id": {"$in": list(keys)}}, {"_id": True})
    return {document["_id"] for document in await cursor.to_list(None)}


@store_call
async def add(db: Database, channel: Channel, address: str, reason: str, at: datetime) -> None:
    """Suppress an address; the first reason stays."""
    fields = {"channel": channel.value, "address": address, "reason": reason, "created_at": at}
    await db.suppressions.update_one(
        {"_id": key(channel, address)}, {"$setOnInsert": fields}, upsert=True
    )

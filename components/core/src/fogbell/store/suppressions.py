"""Addresses that are not to be used: bounced, complained, gone, or entered by hand."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pymongo import ReturnDocument

from fogbell.model.status import Channel
from fogbell.store.database import Database, Document, store_call

BY_HAND = "manual"
"""The reason of a suppression that was entered without one."""


@dataclass(frozen=True, slots=True)
class Suppression:
    """One address that is not to be used on its channel, and why; ``created_at`` is UTC."""

    channel: Channel
    address: str
    reason: str
    created_at: datetime


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


@store_call
async def get(db: Database, channel: Channel, address: str) -> Suppression | None:
    """One suppression, or None."""
    document = await db.suppressions.find_one({"_id": key(channel, address)})
    return _value(document) if document else None


@store_call
async def put(
    db: Database, channel: Channel, address: str, reason: str | None, at: datetime
) -> tuple[Suppression, bool]:
    """Suppress an address by hand; the suppression, and True if it is new.

    Of one that exists only the reason changes, and only where one is given.
    """
    first: Document = {"channel": channel.value, "address": address, "created_at": at}
    update: Document = {"$setOnInsert": first}
    if reason is None:
        first["reason"] = BY_HAND
    else:
        update["$set"] = {"reason": reason}
    before = await db.suppressions.find_one_and_update(
        {"_id": key(channel, address)}, update, upsert=True, return_document=ReturnDocument.BEFORE
    )
    stored = before or first
    return _value({**stored, "reason": reason or stored["reason"]}), before is None


@store_call
async def delete(db: Database, channel: Channel, address: str) -> bool:
    """Lift a suppression; False if there was none."""
    result = await db.suppressions.delete_one({"_id": key(channel, address)})
    return bool(result.deleted_count)


def _value(document: Mapping[str, Any]) -> Suppression:
    return Suppression(
        Channel(document["channel"]),
        document["address"],
        document["reason"],
        document["created_at"],
    )

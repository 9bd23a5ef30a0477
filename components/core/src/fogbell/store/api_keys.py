"""API keys: only their hashes are stored."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from fogbell.model.api_key import ApiKey, KeyMode, Scope
from fogbell.store.database import Database, Document, store_call

_TOUCH_AT_MOST_EVERY = timedelta(seconds=60)


@store_call
async def insert(db: Database, key: ApiKey, key_hash: bytes) -> None:
    """Store a new key under the SHA-256 of what its owner was shown."""
    await db.api_keys.insert_one(_document(key) | {"hash": key_hash})


@store_call
async def find(db: Database, key_hash: bytes) -> ApiKey | None:
    """The key with this SHA-256, expired or not, or None."""
    document = await db.api_keys.find_one({"hash": key_hash})
    return _value(document) if document else None


@store_call
async def page(db: Database, *, after: str | None = None, limit: int = 50) -> list[ApiKey]:
    """Keys in the order of their ids, which is that of their creation, from behind ``after``."""
    query = {} if after is None else {"_id": {"$gt": after}}
    cursor = db.api_keys.find(query, {"hash": False}).sort("_id", 1).limit(limit)
    return [_value(document) async for document in cursor]


@store_call
async def delete(db: Database, key_id: str) -> bool:
    """Delete a key; False if there was none."""
    result = await db.api_keys.delete_one({"_id": key_id})
    return bool(result.deleted_count)


@store_call
async def touch(db: Database, key_id: str) -> None:
    """Write that a key is in use; at most once a minute, whoever asks."""
    now = db.clock.now()
    stale = {"$not": {"$gt": now - _TOUCH_AT_MOST_EVERY}}
    await db.api_keys.update_one(
        {"_id": key_id, "last_used_at": stale}, {"$set": {"last_used_at": now}}
    )


def _document(key: ApiKey) -> Document:
    document: Document = {
        "_id": key.id,
        "name": key.name,
        "app": key.app,
        "prefix": key.prefix,
        "scopes": sorted(scope.value for scope in key.scopes),
        "mode": key.mode.value,
        "created_at": key.created_at,
    }
    if key.expires_at is not None:
        document["expires_at"] = key.expires_at
    if key.rate_limit is not None:
        document["rate_limit"] = key.rate_limit
    return document


def _value(document: Mapping[str, Any]) -> ApiKey:
    return ApiKey(
        id=document["_id"],
        name=document["name"],
        app=document["app"],
        prefix=document["prefix"],
        scopes=frozenset(Scope(scope) for scope in document["scopes"]),
        mode=KeyMode(document["mode"]),
        created_at=document["created_at"],
        expires_at=document.get("expires_at"),
        last_used_at=document.get("last_used_at"),
        rate_limit=document.get("rate_limit"),
    )

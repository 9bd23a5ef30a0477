"""API keys against a real MongoDB."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from pymongo.errors import DuplicateKeyError

from fogbell.identity import uuid7
from fogbell.model.api_key import ApiKey, KeyMode, Scope
from fogbell.store import api_keys
from fogbell.store.database import Database

CREATED = datetime(2026, 1, 1, tzinfo=UTC)


def key(**others: object) -> ApiKey:
    fresh = ApiKey(
        id=str(uuid7()),
        name="shop",
        app="shop",
        prefix="fbk_abcd",
        scopes=frozenset({Scope.SEND, Scope.READ}),
        mode=KeyMode.TEST,
        created_at=CREATED,
        expires_at=CREATED + timedelta(days=1),
    )
    return replace(fresh, **others)  # type: ignore[arg-type]


async def test_a_key_is_found_by_its_hash_alone(db: Database) -> None:
    stored = key()
    await api_keys.insert(db, stored, b"h" * 32)
    assert await api_keys.find(db, b"h" * 32) == stored
    assert await api_keys.find(db, b"g" * 32) is None


async def test_two_keys_never_share_a_hash(db: Database) -> None:
    await api_keys.insert(db, key(), b"h" * 32)
    with pytest.raises(DuplicateKeyError):
        await api_keys.insert(db, key(), b"h" * 32)


async def test_keys_are_listed_in_the_order_of_their_creation(db: Database) -> None:
    keys = sorted((key(expires_at=None) for _ in range(5)), key=lambda k: k.id)
    for number, one in enumerate(keys):
        await api_keys.insert(db, one, bytes([number]) * 32)
    first = await api_keys.page(db, limit=3)
    rest = await api_keys.page(db, after=first[-1].id, limit=3)
    assert first + rest == keys


async def test_a_deleted_key_is_found_no_more(db: Database) -> None:
    stored = key()
    await api_keys.insert(db, stored, b"h" * 32)
    assert await api_keys.delete(db, stored.id) is True
    assert await api_keys.delete(db, stored.id) is False
    assert await api_keys.find(db, b"h" * 32) is None


async def test_last_used_is_written_at_most_once_a_minute(db: Database) -> None:
    stored = key()
    await api_keys.insert(db, stored, b"h" * 32)
    await api_keys.touch(db, stored.id)
    first = await api_keys.find(db, b"h" * 32)
    await api_keys.touch(db, stored.id)
    assert await api_keys.find(db, b"h" * 32) == first
    assert first is not None
    assert first.last_used_at is not None
    long_ago = first.last_used_at - timedelta(seconds=61)
    await db.api_keys.update_one({"_id": stored.id}, {"$set": {"last_used_at": long_ago}})
    await api_keys.touch(db, stored.id)
    later = await api_keys.find(db, b"h" * 32)
    assert later is not None
    assert later.last_used_at is not None
    assert later.last_used_at > long_ago


async def test_touching_a_deleted_key_does_not_bring_it_back(db: Database) -> None:
    await api_keys.touch(db, "gone")
    assert await db.api_keys.count_documents({}) == 0

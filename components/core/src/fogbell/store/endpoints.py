"""Senders' own webhooks. Their secrets stand in clear: Fogbell signs with them."""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import SecretStr

from fogbell.model.endpoint import Endpoint, EventType
from fogbell.store.database import Database, Document, Session, store_call

MOST = 10
"""Endpoints of one app."""


class TooManyEndpointsError(Exception):
    """The app has `MOST` endpoints already; nothing is stored."""


@store_call
async def insert(db: Database, endpoint: Endpoint) -> None:
    """Store a new endpoint. Raises `TooManyEndpointsError`."""
    await db.endpoints.insert_one(_document(endpoint))
    # Counted afterwards: of several at once none is ever one too many.
    if await db.endpoints.count_documents({"app": endpoint.app}) > MOST:
        await db.endpoints.delete_one({"_id": endpoint.id})
        raise TooManyEndpointsError


@store_call
async def of_app(
    db: Database, app: str, *, after: str | None = None, limit: int = MOST
) -> list[Endpoint]:
    """An app's endpoints in the order of their ids, from behind ``after``."""
    query: Document = {"app": app}
    if after is not None:
        query["_id"] = {"$gt": after}
    cursor = db.endpoints.find(query).sort("_id", 1).limit(limit)
    return [_value(document) async for document in cursor]


@store_call
async def get(db: Database, app: str, endpoint_id: str) -> Endpoint | None:
    """One endpoint of ``app``, or None."""
    document = await db.endpoints.find_one({"_id": endpoint_id, "app": app})
    return _value(document) if document else None


@store_call
async def delete(db: Database, app: str, endpoint_id: str) -> bool:
    """Delete an endpoint of ``app``, its secret with it; False if there was none."""
    result = await db.endpoints.delete_one({"_id": endpoint_id, "app": app})
    return bool(result.deleted_count)


@store_call
async def disable(db: Database, endpoint_id: str) -> None:
    """Send nothing more there; when that was decided first stays."""
    await db.endpoints.update_one(
        {"_id": endpoint_id, "disabled_at": {"$exists": False}},
        [{"$set": {"disabled_at": "$$NOW"}}],
    )


@store_call
async def wanted(db: Database, app: str) -> frozenset[EventType]:
    """Every event that some endpoint of ``app`` is to be told."""
    cursor = db.endpoints.find(_active([app]), {"events": True})
    found = await cursor.to_list(None)
    return frozenset(EventType(word) for document in found for word in document["events"])


@store_call
async def read_many(db: Database, ids: Iterable[str]) -> dict[str, Endpoint]:
    """Those of ``ids`` that exist: what a worker asks at every claim, never from a cache."""
    asked = list(ids)
    if not asked:
        return {}
    cursor = db.endpoints.find({"_id": {"$in": asked}})
    return {d["_id"]: _value(d) for d in await cursor.to_list(None)}


async def listening(
    db: Database, apps: Iterable[str], event: EventType, session: Session
) -> dict[str, list[Endpoint]]:
    """The endpoints of each of ``apps`` that are to be told of ``event`` at present.

    Within a transaction, whose repetition goes by the driver's own errors.
    """
    found: dict[str, list[Endpoint]] = {app: [] for app in apps}
    cursor = db.endpoints.find(_active(list(found)) | {"events": event.value}, session=session)
    for document in await cursor.to_list(None):
        found[document["app"]].append(_value(document))
    return found


def _active(apps: list[str]) -> Document:
    return {"app": {"$in": apps}, "disabled_at": {"$exists": False}}


def _document(endpoint: Endpoint) -> Document:
    document: Document = {
        "_id": endpoint.id,
        "app": endpoint.app,
        "url": endpoint.url,
        "secret": endpoint.secret.get_secret_value(),
        "events": sorted(event.value for event in endpoint.events),
        "created_at": endpoint.created_at,
    }
    if endpoint.description is not None:
        document["description"] = endpoint.description
    return document


def _value(document: Mapping[str, Any]) -> Endpoint:
    return Endpoint(
        id=document["_id"],
        app=document["app"],
        url=document["url"],
        secret=SecretStr(document["secret"]),
        events=frozenset(EventType(word) for word in document["events"]),
        created_at=document["created_at"],
        description=document.get("description"),
        disabled_at=document.get("disabled_at"),
    )

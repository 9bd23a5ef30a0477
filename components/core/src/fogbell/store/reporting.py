"""Who is still to be told what: the outbox of callbacks (protocol step 12).

What an app is to be told of carries ``report: true`` from its creation on. It is in the outbox once
it is settled. One transaction takes a page out (``report: false``) and puts the callbacks in: a
crash leaves both or neither, and of two sweeps at once one finds nothing. So each event is created
exactly once, and settling itself costs no more than an entry in a partial index.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from pymongo import ASCENDING
from pymongo.read_concern import ReadConcern

from fogbell.callbacks import Event, callback, delivery_settled, notification_settled
from fogbell.model.endpoint import Endpoint, EventType
from fogbell.model.notification import Origin, OriginType
from fogbell.store import endpoints
from fogbell.store.codec import delivery_view, notification_value
from fogbell.store.database import Collection, Database, Document, Session, store_call
from fogbell.store.deliveries import delivery_document
from fogbell.store.indexes import REPORT_KEYS
from fogbell.store.notifications import Accept, accept_document
from fogbell.store.progress import frozen_progress
from fogbell.store.transactions import transact

PAGE = 200
"""Events of one transaction, for each endpoint that wants them: as many as a message has ids."""

MOST_BYTES = 4 << 20
"""What the messages of one transaction may weigh, about: it has to fit into MongoDB's cache, or the
same page would fail for ever. A single event may weigh more, but then it goes alone."""

_SAID = dict.fromkeys(("audience", "content", "data"), False)
_BY_ID = [("_id", ASCENDING)]
_DUE: Document = {"report": True, "settled_at": {"$gte": datetime(1970, 1, 1, tzinfo=UTC)}}


@dataclass(frozen=True, slots=True)
class Reported:
    """What became of a page: the ids of new callback deliveries; ``full``: there may be more."""

    ids: list[UUID] = field(default_factory=list)
    full: bool = False


@store_call
async def report(
    db: Database,
    event: EventType,
    grace: timedelta,
    look_after: timedelta,
    traceparent: str | None = None,
) -> Reported:
    """Turn the oldest page of the outbox into callbacks.

    ``grace`` is when the sweep publishes what nobody has claimed by then, ``look_after`` when it
    first looks whether all is settled, ``traceparent`` the trace that callbacks are linked to.
    Where no endpoint wants to know any more, nothing comes of an entry. Raises `ContendedError`
    where a process that died in here still holds the page.
    """

    async def both(session: Session) -> Reported:
        found = await _page(db, event, session)
        if not found:
            return Reported()
        events = {each.subject: each for each in await _events(db, event, found, session)}
        apps = {each.app for each in events.values()}
        listening = await endpoints.listening(db, apps, event, session)
        taken = _fitting([document["_id"] for document in found], events, listening)
        told = [events[i] for i in taken if i in events]
        made = _callbacks(told, listening, db.clock.now(), look_after, traceparent)
        done = {"$set": {"report": False}}
        mine: Document = {"_id": {"$in": taken}}
        await _outbox(db, event).update_many(mine, done, hint=_BY_ID, session=session)
        full = len(found) == PAGE or len(taken) < len(found)
        return Reported(await _insert(db, made, grace, session), full)

    if not await _anything(db, event):
        return Reported()
    # With a snapshot, whatever somebody else has changed since is a conflict, and read again.
    return await transact(db, both, ReadConcern("snapshot"))


async def oldest_untold(db: Database) -> datetime | None:
    """When the oldest delivery settled whose app is still to be told; None where there is none."""
    found = await db.deliveries.find_one(
        _DUE, {"settled_at": True}, sort=REPORT_KEYS, hint=REPORT_KEYS
    )
    oldest: datetime | None = found["settled_at"] if found else None
    return oldest


def _outbox(db: Database, event: EventType) -> Collection:
    return db.deliveries if event is EventType.DELIVERY_SETTLED else db.notifications


async def _anything(db: Database, event: EventType) -> bool:
    """Mostly there is nothing, and no need for a transaction."""
    found = await _outbox(db, event).find_one(_DUE, {"_id": True}, hint=REPORT_KEYS)
    return found is not None


async def _page(db: Database, event: EventType, session: Session) -> Sequence[Mapping[str, Any]]:
    left_out = {"attempts": False} if event is EventType.DELIVERY_SETTLED else _SAID
    cursor = _outbox(db, event).find(_DUE, left_out, session=session)
    return await cursor.sort("settled_at", ASCENDING).limit(PAGE).hint(REPORT_KEYS).to_list(None)


def _fitting(
    found: Sequence[UUID],
    events: Mapping[UUID, Event],
    listening: Mapping[str, Sequence[Endpoint]],
) -> list[UUID]:
    """The first of ``found`` whose messages weigh no more than `MOST_BYTES` together."""
    taken: list[UUID] = []
    weight = 0
    for id_ in found:
        told = events.get(id_)
        if told is not None:
            weight += len(json.dumps(told.message)) * len(listening[told.app])
        if taken and weight > MOST_BYTES:
            break
        taken.append(id_)
    return taken


def _callbacks(
    events: Sequence[Event],
    listening: Mapping[str, Sequence[Endpoint]],
    now: datetime,
    look_after: timedelta,
    traceparent: str | None,
) -> list[Accept]:
    by_app: dict[str, list[Event]] = {}
    for each in events:
        by_app.setdefault(each.app, []).append(each)
    return [
        callback(endpoint, told, now, look_after, traceparent)
        for app, told in by_app.items()
        for endpoint in listening[app]
    ]


async def _events(
    db: Database, event: EventType, found: Sequence[Mapping[str, Any]], session: Session
) -> list[Event]:
    if event is EventType.NOTIFICATION_SETTLED:
        return [_notification_event(document) for document in found]
    ids = list({document["notification_id"] for document in found})
    cursor = db.notifications.find(
        {"_id": {"$in": ids}}, {"origin": True, "reference": True}, session=session
    )
    posts = {d["_id"]: d for d in await cursor.to_list(None)}
    return [
        _delivery_event(document, posts[document["notification_id"]])
        for document in found
        if document["notification_id"] in posts
    ]


def _notification_event(document: Mapping[str, Any]) -> Event:
    totals = frozen_progress(document)
    assert totals is not None
    return notification_settled(notification_value(document), totals, document.get("replays", 0))


def _delivery_event(document: Mapping[str, Any], post: Mapping[str, Any]) -> Event:
    stored = post["origin"]
    origin = Origin(OriginType(stored["type"]), stored["app"], stored["simulate"])
    return delivery_settled(delivery_view(document), origin, post.get("reference"))


async def _insert(
    db: Database, made: Sequence[Accept], grace: timedelta, session: Session
) -> list[UUID]:
    if not made:
        return []
    now = db.clock.now()
    new = [delivery for each in made for delivery in each.deliveries]
    posts = [accept_document(each) for each in made]
    await db.notifications.insert_many(posts, session=session)
    documents = [delivery_document(delivery, now, grace) for delivery in new]
    await db.deliveries.insert_many(documents, session=session)
    return [delivery.id for delivery in new]

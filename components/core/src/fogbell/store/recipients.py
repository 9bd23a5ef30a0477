"""The directory: recipients by id, in bulk, and in the order in which an expansion walks them."""

import re
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel, SecretStr
from pymongo import ASCENDING, InsertOne, ReplaceOne
from pymongo.errors import BulkWriteError

from fogbell.model.address import Addresses, AppriseAddress, PushAddress, WebhookAddress
from fogbell.model.matching import conditions
from fogbell.model.recipient import Reach, Recipient
from fogbell.model.status import Channel
from fogbell.store.database import Database, Document, SyncDatabase, store_call
from fogbell.store.deliveries import DUPLICATE_KEY
from fogbell.store.indexes import GROUPS_KEYS

M = TypeVar("M", bound=BaseModel)

SCAN = 20_000
"""Recipients that one query looks at for a match: well within the limit of an operation."""

_ATTRIBUTE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")


@store_call
async def put(db: Database, recipient: Recipient) -> bool:
    """Create or replace; True if it is new."""
    document = recipient_document(recipient)
    result = await db.recipients.replace_one({"_id": recipient.id}, document, upsert=True)
    return result.upserted_id is not None


@store_call
async def put_many(db: Database, recipients: Iterable[Recipient]) -> None:
    """Create or replace all of them; of several with one id, the last. Safe to repeat."""
    documents = {r.id: recipient_document(r) for r in recipients}
    if not documents:
        return
    # Who is new is inserted, at three times the speed of an upsert.
    new = await unknown(db, documents)
    try:
        await _write(db, documents.values(), new)
    except BulkWriteError as error:
        if not _only_duplicates(error):
            raise
        # Somebody else put some of them meanwhile.
        await _write(db, documents.values(), set())


async def _write(db: Database, documents: Iterable[Document], new: Container[str]) -> None:
    writes: list[InsertOne[Mapping[str, Any]] | ReplaceOne[Mapping[str, Any]]] = [
        InsertOne(document)
        if document["_id"] in new
        else ReplaceOne({"_id": document["_id"]}, document, upsert=True)
        for document in documents
    ]
    await db.recipients.bulk_write(writes, ordered=False)


def _only_duplicates(error: BulkWriteError) -> bool:
    details = error.details or {}
    codes = {e.get("code") for e in details.get("writeErrors", ())}
    return codes == {DUPLICATE_KEY} and not details.get("writeConcernErrors")


@store_call
async def get(db: Database, recipient_id: str) -> Recipient | None:
    """One recipient, or None."""
    document = await db.recipients.find_one({"_id": recipient_id})
    return recipient_value(document) if document else None


@store_call
async def replace(db: Database, before: Mapping[str, Any], after: Recipient) -> bool:
    """Replace the recipient as read in ``before``; False where it is another, or gone, by now."""
    unchanged = {"$expr": {"$eq": ["$$ROOT", {"$literal": before}]}}
    result = await db.recipients.replace_one(
        {"_id": before["_id"], **unchanged}, recipient_document(after)
    )
    return bool(result.matched_count)


@store_call
async def get_document(db: Database, recipient_id: str) -> Mapping[str, Any] | None:
    """One recipient as stored (the shape that `Recipient` takes, but for ``_id``), or None."""
    return await db.recipients.find_one({"_id": recipient_id})


@store_call
async def delete(db: Database, recipient_id: str) -> bool:
    """Delete; False if there was none. Deliveries under way find no address and are skipped."""
    result = await db.recipients.delete_one({"_id": recipient_id})
    return bool(result.deleted_count)


@store_call
async def read_many(db: Database, ids: Sequence[str]) -> dict[str, Recipient]:
    """Those of ``ids`` that exist: what a worker asks at every claim, never from a cache."""
    return await db.in_thread(_read_many, list(ids))


def _read_many(handle: SyncDatabase, ids: Sequence[str]) -> dict[str, Recipient]:
    found = handle["recipients"].find({"_id": {"$in": ids}})
    return {d["_id"]: recipient_value(d) for d in found}


@store_call
async def unknown(db: Database, ids: Iterable[str]) -> set[str]:
    """Which of ``ids`` do not exist: answered from the ``_id`` index alone."""
    asked = set(ids)
    cursor = db.recipients.find({"_id": {"$in": list(asked)}}, {"_id": True})
    return asked - {document["_id"] for document in await cursor.to_list(None)}


@store_call
async def walk(
    db: Database,
    *,
    groups: Sequence[str] = (),
    everyone: bool = False,
    after: str | None = None,
    limit: int = 1000,
) -> list[Recipient]:
    """The next ``limit`` recipients behind ``after``, in the order of their ids.

    In any of ``groups``; all only if ``everyone`` says so: an empty query means nobody, never
    everybody.
    """
    query = audience_query(groups, {}, everyone=everyone)
    if query is None:
        return []
    return [recipient_value(d) for d in await _next(db, query, {}, after, None, limit)]


class Scanned(NamedTuple):
    """Who was found, and the last id that was looked at: None where there are no more."""

    found: list[Recipient]
    reached: str | None


@store_call
async def scan(
    db: Database,
    *,
    groups: Sequence[str] = (),
    match: Mapping[str, Any] | None = None,
    everyone: bool = False,
    after: str | None = None,
    limit: int = 1000,
) -> Scanned:
    """As `walk`, of those whose attributes ``match`` (`model.matching`).

    Looks at `SCAN` recipients at most, so that it may find none and yet not be at the end: where
    few match, one query would scan the whole directory. Raises ValueError for a ``match`` that is
    none.
    """
    found, reached = await _scan(db, groups, match or {}, everyone, after, limit, None)
    return Scanned([recipient_value(document) for document in found], reached)


class ReachScanned(NamedTuple):
    """As `Scanned`."""

    found: Reach
    reached: str | None


@store_call
async def scan_reach(
    db: Database,
    channels: Sequence[Channel],
    *,
    groups: Sequence[str] = (),
    match: Mapping[str, Any] | None = None,
    everyone: bool = False,
    after: str | None = None,
    limit: int = 1000,
) -> ReachScanned:
    """As `scan`, of nothing but whether ``channels`` reach them: at a third of the cost."""
    fields = ["addresses"]
    found, reached = await _scan(db, groups, match or {}, everyone, after, limit, fields)
    without = {
        channel: {d["_id"] for d in found if not d["addresses"].get(channel.value)}
        for channel in channels
    }
    return ReachScanned(Reach([d["_id"] for d in found], without), reached)


async def _scan(
    db: Database,
    groups: Sequence[str],
    match: Mapping[str, Any],
    everyone: bool,
    after: str | None,
    limit: int,
    fields: Sequence[str] | None,
) -> tuple[list[Mapping[str, Any]], str | None]:
    query = audience_query(groups, {}, everyone=everyone or bool(match and not groups))
    if query is None:
        return [], None
    matching = audience_query((), match, everyone=True) or {}
    until = await _edge(db, query, after) if match else None
    found = await _next(db, query, matching, after, until, limit, fields)
    return found, found[-1]["_id"] if len(found) == limit else until


async def _next(
    db: Database,
    query: Document,
    matching: Document,
    after: str | None,
    until: str | None,
    limit: int,
    fields: Sequence[str] | None = None,
) -> list[Mapping[str, Any]]:
    which = query | matching | _between(after, until)
    cursor = db.recipients.find(which, fields).sort("_id", ASCENDING).hint(_keys(query))
    # In one answer: the first would else have 101, and the rest would be asked for again.
    return await cursor.limit(limit).batch_size(limit).to_list(None)


async def _edge(db: Database, query: Document, after: str | None) -> str | None:
    """The id that is `SCAN` behind ``after``, from the index alone; None where there are fewer."""
    cursor = db.recipients.find(query | _between(after, None), {"_id": True})
    cursor = cursor.sort("_id", ASCENDING).skip(SCAN - 1).limit(1).hint(_keys(query))
    found = await cursor.to_list(None)
    return found[0]["_id"] if found else None


def _between(after: str | None, until: str | None) -> Document:
    """Behind ``after``, up to ``until``."""
    bounds = {"$gt": after} if after is not None else {}
    if until is not None:
        bounds["$lte"] = until
    return {"_id": bounds} if bounds else {}


def _keys(query: Document) -> list[tuple[str, int]]:
    """The index that has the query's recipients in the order of their ids, and no others."""
    return GROUPS_KEYS if "groups" in query else [("_id", ASCENDING)]


def audience_query(
    groups: Sequence[str], match: Mapping[str, Any], *, everyone: bool
) -> Document | None:
    """The filter for a directory query, or None where it means nobody. Raises ValueError."""
    if not (groups or match or everyone):
        return None
    query: Document = {}
    if groups and not everyone:
        query["groups"] = {"$in": [str(group) for group in groups]}
    # Validated again, though the post was: what is built here is sent to MongoDB.
    for name, operators in conditions(dict(match)).items():
        if not _ATTRIBUTE.fullmatch(name):
            raise ValueError("an attribute's name has letters, digits and _ alone")
        query[f"attributes.{name}"] = {f"${word}": value for word, value in operators.items()}
    return query


def recipient_document(recipient: Recipient) -> Document:
    """What is stored: absent where a value is None or empty. Secrets stand in clear."""
    document: Document = {"_id": recipient.id, "addresses": _addresses(recipient.addresses)}
    for name in ("locale", "time_zone", "groups", "attributes"):
        value = getattr(recipient, name)
        if value:
            document[name] = value
    return document


def _addresses(addresses: Addresses) -> Document:
    document: Document = {}
    if addresses.email is not None:
        document["email"] = addresses.email
    if addresses.sms is not None:
        document["sms"] = addresses.sms
    if addresses.push:
        document["push"] = [push.model_dump(exclude_none=True) for push in addresses.push]
    if addresses.webhook is not None:
        secrets = [secret.get_secret_value() for secret in addresses.webhook.secrets]
        document["webhook"] = {"url": addresses.webhook.url, "secrets": secrets}
    if addresses.apprise is not None:
        document["apprise"] = {"url": addresses.apprise.url.get_secret_value()}
    return document


def recipient_value(document: Mapping[str, Any]) -> Recipient:
    """The value of a stored recipient, without validating again what was validated when stored.

    Workers build tens of thousands a second, so this avoids what `model_construct` looks up.
    """
    get = document.get
    return _built(
        Recipient,
        {
            "id": document["_id"],
            "addresses": addresses_value(document["addresses"]),
            "locale": get("locale"),
            "time_zone": get("time_zone"),
            "groups": get("groups") or [],
            "attributes": get("attributes") or {},
        },
    )


def addresses_value(stored: Mapping[str, Any]) -> Addresses:
    """The value of stored addresses: those of a recipient, or inline ones of a delivery."""
    webhook, apprise = stored.get("webhook"), stored.get("apprise")
    return _built(
        Addresses,
        {
            "email": stored.get("email"),
            "sms": stored.get("sms"),
            "push": [_push(push) for push in stored.get("push", ())],
            "webhook": _webhook(webhook) if webhook else None,
            "apprise": _apprise(apprise) if apprise else None,
        },
    )


def _push(stored: Mapping[str, Any]) -> PushAddress:
    names = ("provider", "token", "url")
    return _built(PushAddress, {name: stored.get(name) for name in names})


def _webhook(stored: Mapping[str, Any]) -> WebhookAddress:
    secrets = [SecretStr(secret) for secret in stored.get("secrets", ())]
    return _built(WebhookAddress, {"url": stored["url"], "secrets": secrets})


def _apprise(stored: Mapping[str, Any]) -> AppriseAddress:
    return _built(AppriseAddress, {"url": SecretStr(stored["url"])})


def _built(model: type[M], values: dict[str, Any]) -> M:
    """A model whose every field is in ``values``, valid already."""
    built = model.__new__(model)
    set_attribute = object.__setattr__
    set_attribute(built, "__dict__", values)
    set_attribute(built, "__pydantic_fields_set__", set(values))
    set_attribute(built, "__pydantic_extra__", None)
    set_attribute(built, "__pydantic_private__", None)
    return built

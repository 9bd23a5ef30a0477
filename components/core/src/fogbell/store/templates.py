"""Templates: versions count from 1 and never change once stored."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pymongo.errors import DuplicateKeyError

from fogbell.model.content import Template
from fogbell.store.database import Database, Document, store_call

_CONTENDERS = 100
"""How often a version may be taken by somebody else before this gives up."""


@dataclass(frozen=True, slots=True)
class TemplateSummary:
    """A template's latest version, without its texts; ``created_at`` is that version's."""

    name: str
    version: int
    default_locale: str
    topic: str | None
    locales: tuple[str, ...]
    created_at: datetime


class TemplateContendedError(Exception):
    """Too many processes put versions of this template at once."""


@store_call
async def put_version(db: Database, draft: Template) -> tuple[Template, bool]:
    """Store ``draft`` as the next version of its name (its own version is not looked at).

    Returns what is now the latest, and whether it is new: the same content as the latest makes no
    version, so that a deployment may push its templates each time. Of several puts at once, each
    with content of its own gets its own version. Raises `TemplateContendedError`.
    """
    content = _content(draft)
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).digest()
    for _ in range(_CONTENDERS):
        latest = await db.templates.find_one(_versions(draft.name), sort=[("_id", -1)])
        if latest is not None and latest["hash"] == digest:
            return _value(latest), False
        version = latest["_id"]["version"] + 1 if latest else 1
        document = {
            "_id": _key(draft.name, version),
            "hash": digest,
            "created_at": db.clock.now(),
            **content,
        }
        try:
            await db.templates.insert_one(document)
        except DuplicateKeyError:
            continue
        return _value(document), True
    raise TemplateContendedError(f"template {draft.name!r} is being changed by many at once")


@store_call
async def get_latest(db: Database, name: str) -> Template | None:
    """The newest version, or None."""
    document = await db.templates.find_one(_versions(name), sort=[("_id", -1)])
    return _value(document) if document else None


@store_call
async def get_pinned(db: Database, name: str, version: int) -> Template | None:
    """One version, or None. It never changes: whoever asks often may keep it for good."""
    document = await db.templates.find_one({"_id": _key(name, version)})
    return _value(document) if document else None


async def get(db: Database, name: str, version: int | None) -> Template | None:
    """The version asked for, or the newest where that is None."""
    if version is None:
        return await get_latest(db, name)
    return await get_pinned(db, name, version)


@store_call
async def page(db: Database, *, after: str | None = None, limit: int) -> list[TemplateSummary]:
    """The next ``limit`` templates behind the name ``after``, in the order of their names.

    Which versions are the latest is read from the index of ids alone: a template may weigh a
    megabyte. Of those that are shown, the texts stay in the database.
    """
    latest: list[Document] = [
        {"$match": {"_id": {"$gt": _key(after or "", 2**31)}}},
        {"$project": {"_id": 1}},
        {"$group": {"_id": "$_id.name", "version": {"$max": "$_id.version"}}},
        {"$sort": {"_id": 1}},
        {"$limit": limit},
    ]
    found = await db.templates.aggregate(latest).to_list(None)
    keys = [_key(document["_id"], document["version"]) for document in found]
    shown: list[Document] = [
        {"$match": {"_id": {"$in": keys}}},
        {"$project": _SUMMARY},
        {"$sort": {"_id": 1}},
    ]
    return [_summary(document) for document in await db.templates.aggregate(shown).to_list(None)]


_LOCALES = {"$map": {"input": {"$objectToArray": "$locales"}, "in": "$$this.k"}}
_SUMMARY = {"default_locale": 1, "topic": 1, "created_at": 1, "locales": _LOCALES}


def _summary(document: Mapping[str, Any]) -> TemplateSummary:
    return TemplateSummary(
        name=document["_id"]["name"],
        version=document["_id"]["version"],
        default_locale=document["default_locale"],
        topic=document.get("topic"),
        locales=tuple(document["locales"]),
        created_at=document["created_at"],
    )


def _key(name: str, version: int) -> Document:
    """The ``_id``. MongoDB compares documents field by field, so the order of names matters."""
    return {"name": name, "version": version}


def _versions(name: str) -> Document:
    return {"_id": {"$gt": _key(name, 0), "$lte": _key(name, 2**31)}}


def _content(template: Template) -> Document:
    return template.model_dump(
        mode="json", by_alias=True, exclude_none=True, exclude={"name", "version"}
    )


def _value(document: Mapping[str, Any]) -> Template:
    fields = {k: v for k, v in document.items() if k not in ("_id", "hash", "created_at")}
    return Template.model_validate(document["_id"] | fields)

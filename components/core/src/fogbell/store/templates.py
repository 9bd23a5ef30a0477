"""Templates: versions count from 1 and never change once stored."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from pymongo.errors import DuplicateKeyError

from fogbell.model.content import Template
from fogbell.store.database import Database, Document, store_call

_CONTENDERS = 100
"""How often a version may be taken by somebody else before this gives up."""


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

"""``/v1/api-keys``: creating keys (shown once), listing and deleting them."""

import secrets
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from fogbell.identity import uuid7
from fogbell.model.address import RECIPIENT_ID
from fogbell.model.api_key import ApiKey, KeyMode, Scope
from fogbell.store import api_keys
from fogbell.store.database import Database
from fogbell.views import rfc3339, rfc3339_or_none
from fogbell_intake.answers import ApiKeyAnswer, NewApiKeyAnswer, Page
from fogbell_intake.auth import KeyRing, key_hash
from fogbell_intake.cursors import decode_cursor, encode_cursor
from fogbell_intake.describing import PAGE, About, Body, Parameter
from fogbell_intake.parsing import (
    Timestamp,
    json_object,
    page_limit,
    query,
)
from fogbell_intake.problems import invalid, not_found, validate
from fogbell_intake.routing import Route, caller, database

_LIST = "api-keys"
_SHOWN = 8


class NewApiKey(BaseModel):
    """Body of ``POST /v1/api-keys``. Without ``app``, the app of the key that asks; without
    ``rate_limit`` (requests per second), the installation's."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=100)
    app: Annotated[str, Field(pattern=RECIPIENT_ID)] | None = None
    scopes: set[Scope] = Field(min_length=1)
    mode: KeyMode = KeyMode.LIVE
    expires_at: Timestamp | None = None
    rate_limit: float | None = Field(default=None, ge=0.01, le=1_000_000, strict=True)


async def create(request: Request) -> Response:
    """201 with the key, which is never shown again."""
    body = validate(NewApiKey, await json_object(request))
    db = database(request)
    _check_expiry(db, body.expires_at)
    token = "fbk_" + secrets.token_urlsafe(32)
    key = ApiKey(
        id=str(uuid7()),
        name=body.name,
        app=body.app or caller(request).app,
        prefix=token[:_SHOWN],
        scopes=frozenset(body.scopes),
        mode=body.mode,
        created_at=db.clock.now(),
        expires_at=body.expires_at,
        rate_limit=body.rate_limit,
    )
    await api_keys.insert(db, key, key_hash(token))
    return JSONResponse(api_key_document(key) | {"key": token}, status_code=201)


def _check_expiry(db: Database, expires_at: datetime | None) -> None:
    if expires_at is not None and expires_at <= db.clock.now():
        raise invalid("#/expires_at", "expected a time to come")


async def index(request: Request) -> Response:
    """200 with a page of keys, without the keys themselves."""
    given = query(request, "limit", "after")
    limit = page_limit(given)
    after = decode_cursor(_LIST, given["after"], str)[0] if "after" in given else None
    keys = await api_keys.page(database(request), after=after, limit=limit)
    following = encode_cursor(_LIST, keys[-1].id) if len(keys) == limit else None
    return JSONResponse({"items": [api_key_document(key) for key in keys], "next": following})


async def delete(request: Request) -> Response:
    """204; other processes may take the key for a few seconds more."""
    key_id = request.path_params["id"]
    deleted = await api_keys.delete(database(request), key_id)
    keys: KeyRing = request.app.state.keys
    keys.forget(key_id)
    if not deleted:
        raise not_found("API key with this id")
    return Response(status_code=204)


def api_key_document(key: ApiKey) -> dict[str, Any]:
    """A key as answered, but for the key itself."""
    return {
        "id": key.id,
        "name": key.name,
        "app": key.app,
        "prefix": key.prefix,
        "scopes": sorted(key.scopes),
        "mode": key.mode.value,
        "created_at": rfc3339(key.created_at),
        "expires_at": rfc3339_or_none(key.expires_at),
        "last_used_at": rfc3339_or_none(key.last_used_at),
        "rate_limit": key.rate_limit,
    }


_KEY = Parameter("id", {"type": "string"}, "The key's id.", "path")

ROUTES = (
    Route(
        "POST",
        "/v1/api-keys",
        create,
        Scope.MANAGE,
        about=About({201: NewApiKeyAnswer}, Body(NewApiKey)),
    ),
    Route(
        "GET",
        "/v1/api-keys",
        index,
        Scope.MANAGE,
        about=About({200: Page[ApiKeyAnswer]}, None, PAGE),
    ),
    Route(
        "DELETE",
        "/v1/api-keys/{id}",
        delete,
        Scope.MANAGE,
        about=About({204: None}, None, (_KEY,), (404,)),
    ),
)

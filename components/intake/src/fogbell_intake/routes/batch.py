"""``POST /v1/notifications/batch``: up to a hundred posts in one request, each by itself.

What is wrong with one changes nothing for the others. All of them wait for the same commit.
"""

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any

import structlog
from pydantic import BaseModel, ConfigDict, Field, JsonValue
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from fogbell.model.api_key import Scope
from fogbell.store.database import StoreUnavailableError
from fogbell_intake import problem_types as types
from fogbell_intake import views
from fogbell_intake.accepting import Accepted
from fogbell_intake.answers import BatchAnswer
from fogbell_intake.auth import Caller, KeyRing
from fogbell_intake.describing import About, Body
from fogbell_intake.limits import MAX_BATCH
from fogbell_intake.parsing import json_object
from fogbell_intake.problems import (
    Problem,
    invalid,
    invalid_parameter,
    request_id,
    unavailable,
    validate,
)
from fogbell_intake.routes.notifications import IDEMPOTENCY_KEY
from fogbell_intake.routing import Route, caller
from fogbell_intake.submitting import Ready, Submitter

CHECKED_AT_ONCE = 16
"""Items of one batch that are checked at the same time: a batch must not take every connection."""

log = structlog.get_logger(__name__)

Item = dict[str, JsonValue]


class BatchBody(BaseModel):
    """The body: each item is a post's body, and may have an ``idempotency_key`` beside it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    items: Annotated[list[Item], Field(min_length=1, max_length=MAX_BATCH)]


async def post(request: Request) -> Response:
    """200 with ``results`` in the order of the items, each as if it had been posted alone."""
    items = await _paid_items(request)
    batch = _Batch(request.app.state.submitter, caller(request))
    outcomes = await batch.run(items)
    unstored = [outcome for outcome in outcomes if isinstance(outcome, StoreUnavailableError)]
    if len(unstored) == len(outcomes):
        raise unstored[0]
    results = [_result(outcome, request_id(request)) for outcome in outcomes]
    return JSONResponse({"results": results})


async def _paid_items(request: Request) -> list[Item]:
    """The items, of which each counts as a request of its key; what cannot be read counts as one.

    Nothing is charged where the key has too few left for all: or a batch that needs the whole limit
    would take a part of it at each try, and never be admitted.
    """
    keys: KeyRing = request.app.state.keys
    try:
        items = await _items(request)
    except Problem:
        await keys.charge(caller(request), 1)
        raise
    await keys.charge(caller(request), len(items))
    return items


async def _items(request: Request) -> list[Item]:
    if "idempotency-key" in request.headers:
        raise invalid_parameter("Idempotency-Key", "expected an 'idempotency_key' in each item")
    return validate(BatchBody, await json_object(request)).items


class _Batch:
    """One batch. An outcome is the answer to an item, or the exception that it ended with."""

    def __init__(self, submitter: Submitter, caller: Caller) -> None:
        self._submitter = submitter
        self._caller = caller
        self._slots = asyncio.Semaphore(CHECKED_AT_ONCE)

    async def run(self, items: Sequence[Item]) -> list[Accepted | BaseException]:
        checked = await asyncio.gather(*map(self._ready, items), return_exceptions=True)
        # In the order of the items: of two with one key, the first decides.
        return await asyncio.gather(*map(self._store, checked), return_exceptions=True)

    async def _ready(self, item: Item) -> Ready:
        raw: dict[str, Any] = dict(item)
        key = raw.pop("idempotency_key", None)
        if key is not None and not (isinstance(key, str) and IDEMPOTENCY_KEY.fullmatch(key)):
            detail = "expected 1 to 255 printable ASCII characters without spaces"
            raise invalid("#/idempotency_key", detail)
        async with self._slots:
            return await self._submitter.ready(self._caller, raw, key)

    async def _store(self, checked: Ready | BaseException) -> Accepted:
        if isinstance(checked, BaseException):
            raise checked
        return await self._submitter.store(checked)


def _result(outcome: Accepted | BaseException, request_id: str) -> dict[str, Any]:
    """``{"status": 202, "replayed", "notification"}``, or ``{"status", "problem"}``.

    Exactly what the item would have been answered alone; pointers are into the item.
    """
    if isinstance(outcome, Accepted):
        shown = views.accepted(outcome)
        return {"status": 202, "replayed": outcome.replayed, "notification": shown}
    problem = _problem(outcome)
    return {"status": problem.type.status, "problem": problem.document(request_id)}


def _problem(error: BaseException) -> Problem:
    if isinstance(error, Problem):
        return error
    if isinstance(error, StoreUnavailableError):
        return unavailable(error)
    if not isinstance(error, Exception):
        raise error
    log.error("request.failed", exc_info=error)
    return Problem(types.INTERNAL, "Fogbell failed; its log has more.")


ROUTES = (
    Route(
        "POST",
        "/v1/notifications/batch",
        post,
        Scope.SEND,
        about=About({200: BatchAnswer}, Body(BatchBody)),
        cost=0,
        prompt=True,
    ),
)

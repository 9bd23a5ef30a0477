"""Cancelling a notification, and replaying what it came to.

Both are written down first and then done in pages. What takes longer than `ANSWER_WITHIN` goes on
after the answer, which is then a 202; where this process ends, the sweep goes on with it.
"""

from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from fogbell.broker import Publisher
from fogbell.model.api_key import Scope
from fogbell.model.status import PUSH_CHANNELS, SETTLED, Channel, DeliveryStatus
from fogbell.replay import Replayed, ReplayTimes, put_back
from fogbell.store import cancelling, expansions, progress, replay_pages, replaying
from fogbell.store.database import Database
from fogbell.store.replaying import Refusal, Selection
from fogbell_intake import problem_types as types
from fogbell_intake.answers import NotificationAnswer, ReplayAnswer
from fogbell_intake.chores import Chores
from fogbell_intake.describing import About, Body
from fogbell_intake.parsing import is_empty, json_object, query
from fogbell_intake.posting import PostingSettings
from fogbell_intake.problems import Problem, invalid, not_found, pointer, validate
from fogbell_intake.routes.notifications import NOTIFICATION, path_uuid, shown_notification
from fogbell_intake.routing import Route, database

ANSWER_WITHIN = 2.0
"""Seconds that an answer waits for the pages; a hundred thousand deliveries take about as long."""


class ReplayBody(BaseModel):
    """Which deliveries to put back; the body may be left out altogether."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    status: Annotated[list[DeliveryStatus], Field(min_length=1, max_length=len(SETTLED))] = [
        DeliveryStatus.DEAD
    ]
    channel: Channel | None = None


async def cancel(request: Request) -> Response:
    """200 with the notification once all of it is settled, 202 while some of it is not.

    What is settled already, cancelled or not, stays as it is: then nothing happens.
    """
    query(request)
    db, wanted = database(request), path_uuid(request, "notification")
    settings, chores = _settings(request), _chores(request)
    await cancelling.mark(db, wanted, settings.expansion_grace)
    await chores.run("cancel", _settle_cancelled(db, wanted, settings), ANSWER_WITHIN)
    shown = await _shown(db, wanted)
    return JSONResponse(shown, status_code=200 if shown["settled_at"] else 202)


async def _settle_cancelled(db: Database, wanted: UUID, settings: PostingSettings) -> None:
    if not await cancelling.settle(db, wanted, settings.look_after):
        return
    candidate = await progress.unsettled(db, wanted)
    if candidate:
        await progress.settle(db, [candidate], lambda _: settings.look_after, settings.keep)


async def replay(request: Request) -> Response:
    """200 with the notification and how many deliveries are back, 202 while pages go on.

    Of a notification whose expansion has failed it is the expansion that goes on: 202.
    """
    query(request)
    body = {} if is_empty(request) else await json_object(request)
    selection = _selection(validate(ReplayBody, body))
    db, wanted = database(request), path_uuid(request, "notification")
    replayed = await _replayed(request, db, wanted, selection)
    shown = await _shown(db, wanted)
    document = shown | {"replayed": replayed.deliveries if replayed else None}
    return JSONResponse(document, status_code=200 if replayed else 202)


def _selection(body: ReplayBody) -> Selection:
    for index, status in enumerate(body.status):
        if not status.settled:
            words = ", ".join(sorted(SETTLED))
            raise invalid(pointer("status", index), f"expected one of {words}")
    if body.channel is not None and body.channel not in PUSH_CHANNELS:
        raise invalid("#/channel", "inbox items are stored, not sent: there is nothing to replay")
    return Selection(frozenset(body.status), body.channel)


async def _replayed(
    request: Request, db: Database, wanted: UUID, selection: Selection
) -> Replayed | None:
    """None where it goes on after the answer. Raises a 404 or 409 `Problem`."""
    settings = _settings(request)
    refusal = await replaying.refusal(db, wanted, selection)
    if refusal is Refusal.EXPANDING and await _resumed(request, db, wanted):
        return None
    if refusal is not None:
        raise _refused(refusal)
    if not await replay_pages.anything(db, wanted, selection):
        # Without this the totals would be unsettled, and settled again, for nothing.
        return Replayed(finished=True)
    begun = await replaying.begin(db, wanted, selection, settings.expansion_grace)
    if isinstance(begun, Refusal):
        raise _refused(begun)
    publisher: Publisher = request.app.state.publisher
    times = ReplayTimes(settings.expansion_grace, settings.expansion_grace, settings.look_after)
    work = put_back(db, publisher, begun, times)
    return await _chores(request).run("replay", work, ANSWER_WITHIN)


async def _resumed(request: Request, db: Database, wanted: UUID) -> bool:
    """Whether it was an expansion that had failed, which goes on now where it had stopped."""
    if not await expansions.resume(db, wanted, _settings(request).expansion_grace):
        return False
    publisher: Publisher = request.app.state.publisher
    await publisher.publish_expansion(wanted)
    return True


_REFUSALS = {
    Refusal.EXPANDING: "Its deliveries are still being written. Replay it once it is expanded.",
    Refusal.CANCELLED: "It is cancelled. Name 'cancelled' in 'status', once it is settled, to lift"
    " the cancellation.",
    Refusal.EXPIRED: "It has expired: nothing of it may be sent any more.",
    Refusal.PURGED: "Its deliveries have been deleted: their retention is over.",
    Refusal.UNDER_WAY: "Another replay of it is under way. Wait until that has ended.",
}


def _refused(refusal: Refusal) -> Problem:
    if refusal is Refusal.UNKNOWN:
        return not_found("notification with this id")
    return Problem(types.NOT_REPLAYABLE, _REFUSALS[refusal])


async def _shown(db: Database, wanted: UUID) -> dict[str, Any]:
    shown = await shown_notification(db, wanted)
    if shown is None:
        raise not_found("notification with this id")
    return shown


def _settings(request: Request) -> PostingSettings:
    settings: PostingSettings = request.app.state.posting
    return settings


def _chores(request: Request) -> Chores:
    chores: Chores = request.app.state.chores
    return chores


ROUTES = (
    Route(
        "POST",
        "/v1/notifications/{id}/cancel",
        cancel,
        Scope.SEND,
        about=About(
            {200: NotificationAnswer, 202: NotificationAnswer}, None, (NOTIFICATION,), (404, 422)
        ),
    ),
    Route(
        "POST",
        "/v1/notifications/{id}/replay",
        replay,
        Scope.SEND,
        about=About(
            {200: ReplayAnswer, 202: ReplayAnswer},
            Body(ReplayBody, optional=True),
            (NOTIFICATION,),
            (404, 409),
        ),
    ),
)

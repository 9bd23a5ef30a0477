"""``/healthz``: the process lives. ``/readyz``: it can take posts, and if not, what is missing."""

from starlette.datastructures import State
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from fogbell.store.database import StoreRefusedError, StoreUnavailableError

RABBITMQ_AWAY = "away: posts are accepted, deliveries wait for RabbitMQ or the sweep"


async def alive(_: Request) -> Response:
    """200 as long as the event loop turns."""
    return JSONResponse({"status": "ok"})


async def ready(request: Request) -> Response:
    """200 when posts can be accepted, else 503; the body says what is missing.

    ``{"status": "ready | degraded | unready", "mongodb": "ok | ...", "rabbitmq": "ok | ..."}``.
    Without RabbitMQ intake is degraded but ready: the record is the outbox, and the sweep
    publishes what could not be published.
    """
    state = request.app.state
    mongodb = await _mongodb(state)
    rabbitmq = "ok" if state.broker_connected() else RABBITMQ_AWAY
    status = "ready" if rabbitmq == "ok" else "degraded"
    if mongodb != "ok" or state.stopping.is_set():
        status = "unready"
    return JSONResponse(
        {"status": status, "mongodb": mongodb, "rabbitmq": rabbitmq},
        status_code=503 if status == "unready" else 200,
    )


async def _mongodb(state: State) -> str:
    try:
        await state.database.ping()
    except StoreRefusedError as error:
        return str(error)
    except StoreUnavailableError:
        return "away: it does not answer or has no primary"
    if state.prepared.is_set():
        return "ok"
    return state.refused or "its indexes are still being created"

"""Wires intake together: the one place that knows every part."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from datetime import timedelta
from typing import Any

import structlog
from starlette.applications import Starlette
from starlette.datastructures import State
from starlette.middleware import Middleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.types import ASGIApp

from fogbell.broker import EventListener, QueueWatch
from fogbell.connections import Connections
from fogbell.store.database import StoreRefusedError, StoreUnavailableError
from fogbell.store.indexes import ensure_indexes
from fogbell.store.presence import Presence
from fogbell.telemetry.health import health_served
from fogbell_intake import openapi, problems
from fogbell_intake.accepting import Accepter
from fogbell_intake.auth import KeyRing
from fogbell_intake.chores import Chores
from fogbell_intake.cors import InboxCors
from fogbell_intake.directory import Directory
from fogbell_intake.hub import Hub
from fogbell_intake.key_limits import KeyLimits
from fogbell_intake.metrics import IntakeMetrics
from fogbell_intake.middleware import RequestMiddleware
from fogbell_intake.posting import Lookups, PostingSettings
from fogbell_intake.previews import PREVIEWS_AT_ONCE
from fogbell_intake.routes import TABLE
from fogbell_intake.routing import StraightRoutes, starlette_routes
from fogbell_intake.settings import IntakeSettings
from fogbell_intake.submitting import Submitter
from fogbell_intake.sweeps import watch_sweeps
from fogbell_intake.tokens import TokenSigner
from fogbell_intake.wanted import WantedEvents

NAME = "fogbell-intake"
PREPARE_PAUSE = 1.0
CLOCK_PAUSE = 30.0
"""Seconds between looks at MongoDB's clock, by which new records are stamped."""

log = structlog.get_logger(__name__)


class Application(Starlette):
    """Starlette without its outermost layer: round `RequestMiddleware` nothing is left to catch."""

    def build_middleware_stack(self) -> ASGIApp:
        """As Starlette's otherwise; called once, at the first request."""
        app: ASGIApp = ExceptionMiddleware(self.router, self.exception_handlers)
        for layer in reversed(self.user_middleware):
            app = layer.cls(app, *layer.args, **layer.kwargs)
        return app


def create_app(settings: IntakeSettings) -> Starlette:
    """The ASGI application; opens connections only when its lifespan starts."""

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with contextlib.AsyncExitStack() as stack:
            await _open(app, settings, stack)
            yield

    metrics = IntakeMetrics()
    app = Application(
        routes=starlette_routes(TABLE),
        middleware=[
            Middleware(RequestMiddleware, metrics=metrics, access_log=settings.http.access_log),
            Middleware(InboxCors, origins=settings.inbox.cors_origins),
            Middleware(StraightRoutes, table=TABLE),
        ],
        exception_handlers=dict.fromkeys(problems.HANDLED, problems.handle),
        lifespan=lifespan,
    )
    app.state.metrics = metrics
    app.state.openapi = openapi.text(TABLE)
    app.state.stopping = asyncio.Event()
    app.state.preview_slots = asyncio.Semaphore(PREVIEWS_AT_ONCE)
    return app


def begin_stop(app: Starlette) -> None:
    """To be called when the server is asked to stop: it waits for open answers before it tells
    the application anything, so streams end now. /readyz turns unready.
    """
    app.state.stopping.set()
    app.state.hub.end_streams()


async def _open(app: Starlette, settings: IntakeSettings, stack: contextlib.AsyncExitStack) -> None:
    """Put what endpoints use on ``app.state``; ``stack`` closes it in the opposite order.

    Nothing here waits for a server: intake starts without MongoDB and RabbitMQ, says in /readyz
    what is missing, and goes on when it comes.
    """
    state = app.state
    state.settings = settings
    servers = Connections.of(settings, name=NAME, metrics=state.metrics.servers)
    state.database = database = servers.database
    stack.callback(database.close)
    state.prepared, state.refused = asyncio.Event(), None
    _background(stack, _prepare(state))
    state.presence = presence = Presence(database)
    _background(stack, presence.watch())

    state.publisher = publisher = servers.publisher
    publisher.start()
    stack.push_async_callback(publisher.close)
    state.broker_connected = lambda: publisher.connected
    pause = settings.metrics.refresh_seconds
    queues = QueueWatch(
        servers.broker_uri, servers.topology, name=NAME, show=state.metrics.queues, pause=pause
    )
    queues.start()
    stack.push_async_callback(queues.close)
    _background(stack, watch_sweeps(database, state.metrics.sweeps, pause))
    _open_posting(app, settings, stack)

    state.keys = KeyRing(
        database,
        settings.bootstrap_api_key,
        settings.bootstrap_app,
        KeyLimits(database, settings.http.requests_per_second),
    )
    stack.push_async_callback(state.keys.close)
    _open_inbox(app, settings, stack, servers)
    await _serve_metrics(app, settings, stack)


def _open_inbox(
    app: Starlette,
    settings: IntakeSettings,
    stack: contextlib.AsyncExitStack,
    servers: Connections,
) -> None:
    state = app.state
    state.tokens = TokenSigner(
        settings.inbox_token_secret, timedelta(seconds=settings.inbox.token_seconds)
    )
    state.hub = hub = Hub(state.database, settings.inbox)
    state.metrics.watch_streams(hub)
    hub.start()
    stack.push_async_callback(hub.close)
    state.listener = listener = EventListener(
        servers.broker_uri,
        servers.topology,
        name=NAME,
        receive=hub.receive,
        resumed=hub.resumed,
    )
    listener.start()
    state.metrics.servers.connection("listener", listener.listening.is_set)
    stack.push_async_callback(listener.close)


def _open_posting(
    app: Starlette, settings: IntakeSettings, stack: contextlib.AsyncExitStack
) -> None:
    state, protocol = app.state, settings.protocol
    grace = timedelta(seconds=protocol.grace_seconds)
    state.posting = PostingSettings(
        expansion_grace=grace,
        look_after=timedelta(seconds=protocol.settle_seconds),
        keep=settings.retention.retention().shortest,
        offered=settings.offered_channels,
    )
    directory = Directory(state.database)
    state.accepter = accepter = Accepter(state.database, state.publisher, grace, directory)
    stack.push_async_callback(accepter.close)
    state.chores = Chores()
    stack.push_async_callback(state.chores.close)
    state.wanted = WantedEvents(state.database)
    lookups = Lookups(state.database, directory)
    state.submitter = Submitter(lookups, accepter, state.posting, state.metrics, state.wanted)


async def _serve_metrics(
    app: Starlette, settings: IntakeSettings, stack: contextlib.AsyncExitStack
) -> None:
    async def missing() -> dict[str, str]:
        prepared: asyncio.Event = app.state.prepared
        return {} if prepared.is_set() else {"mongodb": app.state.refused or "not reached yet"}

    server = await stack.enter_async_context(
        health_served(app.state.metrics.registry, settings.metrics, missing, component="intake")
    )
    app.state.metrics_port = server.port


async def _prepare(state: State) -> None:
    """Create what indexes are missing as soon as MongoDB is there, then keep its clock.

    ``state.refused`` is why MongoDB has refused that, for readiness.
    """
    while True:
        try:
            await state.database.ping()
            if not state.prepared.is_set():
                await ensure_indexes(state.database)
                state.prepared.set()
                log.info("mongodb.prepared")
        except StoreRefusedError as error:
            state.refused = str(error)
            log.warning("mongodb.refused", error=state.refused)
        except StoreUnavailableError as error:
            state.refused = None
            log.warning("mongodb.unavailable", error=type(error).__name__)
        await asyncio.sleep(CLOCK_PAUSE if state.prepared.is_set() else PREPARE_PAUSE)


def _background(stack: contextlib.AsyncExitStack, work: Coroutine[Any, Any, None]) -> None:
    """Run ``work`` until ``stack`` closes."""
    task = asyncio.create_task(work)
    task.add_done_callback(_report_failure)

    async def stop() -> None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    stack.push_async_callback(stop)


def _report_failure(task: asyncio.Task[None]) -> None:
    """What fails in the background would otherwise fail in silence."""
    error = None if task.cancelled() else task.exception()
    if error is not None:
        log.error("background.failed", error=type(error).__qualname__)

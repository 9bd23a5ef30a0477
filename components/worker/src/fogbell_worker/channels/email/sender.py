"""The e-mail channel: render, compose, hand over to the relay, and say what came of it."""

import asyncio
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

import structlog

from fogbell.model.outcome import Attempt, Outcome, Reply
from fogbell.model.status import Channel
from fogbell.rendering import RenderedEmail, RenderingError
from fogbell_worker.channels.email.classify import cut_off, scrub
from fogbell_worker.channels.email.compose import Mail, compose
from fogbell_worker.channels.email.connection import Connector, RelayError
from fogbell_worker.channels.email.headers import InvalidHeaderError
from fogbell_worker.channels.email.pool import ConnectionPool
from fogbell_worker.channels.email.settings import EmailSettings
from fogbell_worker.channels.email.transaction import Handover, transact
from fogbell_worker.rendering import Renderer
from fogbell_worker.sending import Work

_log = structlog.get_logger(__name__)


class EmailSender:
    """Sends over one relay; the `ChannelSender` of e-mail.

    ``on_unknown`` is called for every unknown variable that was rendered as nothing. To be made
    and used within one event loop.
    """

    channel = Channel.EMAIL

    def __init__(
        self, settings: EmailSettings, *, on_unknown: Callable[[], None] | None = None
    ) -> None:
        self._settings = settings
        self._id_domain = settings.id_domain
        self._renderer = Renderer(self.channel, RenderedEmail, on_unknown)
        self.pool = ConnectionPool(
            Connector(settings).connect,
            size=settings.connections,
            idle_seconds=settings.idle_seconds,
            messages_per_connection=settings.messages_per_connection,
        )

    @property
    def send_timeout(self) -> float:
        """Seconds after which `send` has certainly returned."""
        return self._settings.send_timeout

    async def send(self, work: Work) -> Attempt:
        """Try once. Every ending but cancellation is an `Attempt`."""
        started = datetime.now(UTC)
        handover = Handover()
        try:
            async with asyncio.timeout(self.send_timeout):
                reply = await self._send(work, started, handover)
        except TimeoutError:
            where = "after" if handover.done else "before"
            reply = cut_off(
                handed_over=handover.done,
                reason="timeout",
                detail=f"no answer within the time limit, {where} the mail was handed over",
            )
        except Exception as error:
            reply = _internal_error(work, error, handover)
        return Attempt(self._settings.name, started, datetime.now(UTC), reply)

    async def close(self) -> None:
        """Say QUIT on all connections; sends under way must have ended."""
        await self.pool.close()

    async def _send(self, work: Work, now: datetime, handover: Handover) -> Reply:
        if work.addresses.email is None:
            return Reply(Outcome.PERMANENT, reason="no_address")
        try:
            mail = self._compose(work, work.addresses.email, now)
        except RenderingError as error:
            return Reply(Outcome.PERMANENT, reason="template_error", detail=scrub(str(error)))
        except InvalidHeaderError as error:
            return Reply(Outcome.PERMANENT, reason="invalid_header", detail=scrub(str(error)))
        if work.notification.origin.simulate:
            return Reply(Outcome.ACCEPTED, code="simulated")
        try:
            return await self.pool.run(partial(transact, mail=mail, handover=handover))
        except RelayError as error:
            return error.reply

    def _compose(self, work: Work, to: str, now: datetime) -> Mail:
        return compose(
            self._renderer.render(work),
            to=to,
            default_from=self._settings.from_address,
            message_id=f"{work.delivery.idempotency_key}@{self._id_domain}",
            now=now,
            envelope_from=self._settings.envelope_from,
        )


def _internal_error(work: Work, error: Exception, handover: Handover) -> Reply:
    """Log where it happened, not what it said: an exception's text may hold content."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    _log.error(
        "email_internal_error",
        delivery_id=str(work.delivery.id),
        error=type(error).__name__,
        where=f"{frame.name}:{frame.lineno}",
    )
    return cut_off(handed_over=handover.done, reason="internal_error", detail=type(error).__name__)

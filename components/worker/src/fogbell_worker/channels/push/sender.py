"""The push channel: render, pick the device's provider, and say what came of it."""

import asyncio
import traceback
from collections.abc import Callable
from datetime import UTC, datetime

import structlog

from fogbell.model.address import PushAddress
from fogbell.model.outcome import Attempt, Outcome, Reply
from fogbell.model.status import Channel
from fogbell.rendering import RenderedPush, RenderingError
from fogbell_worker.channels.push import fcm, webpush
from fogbell_worker.channels.push.message import PushMessage, PushProvider, push_message
from fogbell_worker.channels.push.settings import PushSettings
from fogbell_worker.http.guard import Resolve, SystemResolver
from fogbell_worker.rendering import Renderer
from fogbell_worker.sending import Work

NO_PROVIDER = "none"
"""What an attempt names where no provider was tried: an address's own word may be anything."""

_SIMULATED = Reply(Outcome.ACCEPTED, code="simulated")
_log = structlog.get_logger(__name__)


class PushSender:
    """A `ChannelSender` over every push provider that is configured.

    ``resolve`` looks the hosts of Web Push up (default: the system); ``on_unknown`` is called for
    each unknown variable of a template, which renders as nothing.
    """

    channel = Channel.PUSH

    def __init__(
        self,
        settings: PushSettings,
        *,
        resolve: Resolve | None = None,
        on_unknown: Callable[[], None] | None = None,
    ) -> None:
        self._settings = settings
        self._system = SystemResolver()
        self._providers = _providers(settings, resolve or self._system)
        self._renderer = Renderer(self.channel, RenderedPush, on_unknown)

    @property
    def send_timeout(self) -> float:
        """Seconds after which `send` has certainly returned."""
        return self._settings.send_timeout

    async def send(self, work: Work) -> Attempt:
        """Render and send once. Raises only on cancellation."""
        started_at = datetime.now(UTC)
        name = NO_PROVIDER
        if work.push is not None and work.push.provider in self._providers:
            name = work.push.provider
        reply = await self._reply(work, started_at)
        return Attempt(name, started_at, datetime.now(UTC), reply)

    async def close(self) -> None:
        """Close every provider; sends under way must have ended."""
        for provider in self._providers.values():
            await provider.close()
        self._system.close()

    async def _reply(self, work: Work, now: datetime) -> Reply:
        device = work.push
        if device is None:
            return Reply(Outcome.PERMANENT, reason="no_address")
        provider = self._providers.get(device.provider)
        if provider is None:
            detail = "the address names a push provider that this worker does not have"
            return Reply(Outcome.PERMANENT, reason="no_provider", detail=detail)
        deadline = asyncio.get_running_loop().time() + self.send_timeout
        try:
            content = self._renderer.render(work)
        except RenderingError as error:
            return Reply(Outcome.PERMANENT, reason="template_error", detail=str(error))
        except Exception as error:  # one strange part must not stop its batch
            return Reply(Outcome.PERMANENT, reason="template_error", detail=type(error).__name__)
        if work.notification.origin.simulate:
            return _SIMULATED
        message = push_message(work, content, self._settings.ttl_seconds, now)
        return await _sent(provider, message, device, deadline)


async def _sent(
    provider: PushProvider, message: PushMessage, device: PushAddress, deadline: float
) -> Reply:
    try:
        return await provider.send(message, device, deadline)
    except Exception as error:
        # where it happened, not what it said: an exception's text may hold content
        frame = traceback.extract_tb(error.__traceback__)[-1]
        _log.error(
            "push_internal_error",
            delivery=str(message.id),
            error=type(error).__name__,
            where=f"{frame.name}:{frame.lineno}",
        )
        return Reply(Outcome.TRANSIENT, reason="internal_error", detail=type(error).__name__)


def _providers(settings: PushSettings, resolve: Resolve) -> dict[str, PushProvider]:
    found: dict[str, PushProvider] = {}
    account = settings.service_account()
    if account is not None:
        found[fcm.NAME] = fcm.FcmProvider(settings, account)
    if settings.vapid_private_key is not None and settings.vapid_subject is not None:
        found[webpush.NAME] = webpush.WebPushProvider(
            settings, settings.vapid_private_key, settings.vapid_subject, resolve
        )
    return found

"""The SMS channel: render, post to the gateway, and say what came of it."""

from collections.abc import Callable
from datetime import UTC, datetime

from fogbell.model.outcome import Attempt, Outcome, Reply
from fogbell.model.status import Channel
from fogbell.rendering import RenderedSms, RenderingError
from fogbell_worker.channels.sms.classify import classify
from fogbell_worker.channels.sms.request import gateway_headers, message_form, messages_url
from fogbell_worker.channels.sms.settings import SmsSettings
from fogbell_worker.http.client import HttpClient
from fogbell_worker.rendering import Renderer
from fogbell_worker.sending import Work

_SIMULATED = Reply(Outcome.ACCEPTED, code="simulated")


class SmsSender:
    """A `ChannelSender` that posts to one gateway.

    ``on_unknown`` is called for each unknown variable of a template, which renders as nothing.
    """

    channel = Channel.SMS

    def __init__(
        self, settings: SmsSettings, *, on_unknown: Callable[[], None] | None = None
    ) -> None:
        self._settings = settings
        self._url = messages_url(settings)
        self._headers = gateway_headers(settings)
        self._client = HttpClient(settings)
        self._renderer = Renderer(self.channel, RenderedSms, on_unknown)

    @property
    def send_timeout(self) -> float:
        """Seconds after which `send` has certainly returned."""
        return self._settings.send_timeout

    async def send(self, work: Work) -> Attempt:
        """Render and post once. Raises only on cancellation."""
        started_at = datetime.now(UTC)
        reply = await self._reply(work, started_at)
        return Attempt(self._settings.name, started_at, datetime.now(UTC), reply)

    async def close(self) -> None:
        """Close the pool; sends under way must have ended."""
        await self._client.close()

    async def _reply(self, work: Work, now: datetime) -> Reply:
        to = work.addresses.sms
        if to is None:
            return Reply(Outcome.PERMANENT, reason="no_address")
        try:
            text = self._renderer.render(work).text
            form = message_form(self._settings, to, text, work.notification.expires_at, now)
        except RenderingError as error:
            return Reply(Outcome.PERMANENT, reason="template_error", detail=str(error))
        except Exception as error:  # one strange part must not stop its batch
            return Reply(Outcome.PERMANENT, reason="template_error", detail=type(error).__name__)
        if not text.strip():
            return Reply(Outcome.PERMANENT, reason="empty_message")
        if work.notification.origin.simulate:
            return _SIMULATED
        answer = await self._client.post(self._url, self._headers, form)
        return answer if isinstance(answer, Reply) else classify(answer, datetime.now(UTC))

"""The webhook channel: render, sign, post."""

from collections.abc import Callable
from datetime import UTC, datetime

from pydantic import SecretStr

from fogbell.model.address import WebhookAddress
from fogbell.model.outcome import Attempt, Outcome, Reply
from fogbell.model.status import Channel
from fogbell.rendering import RenderedWebhook, RenderingError
from fogbell_worker.channels.webhook.classify import classify_status
from fogbell_worker.channels.webhook.payload import webhook_body
from fogbell_worker.channels.webhook.settings import WebhookSettings
from fogbell_worker.channels.webhook.signature import BadSecretError, webhook_headers
from fogbell_worker.http.client import HttpClient
from fogbell_worker.http.guard import Resolve, SystemResolver
from fogbell_worker.rendering import Renderer
from fogbell_worker.sending import Work

PROVIDER = "webhook"
_SIMULATED = Reply(Outcome.ACCEPTED, code="simulated")


class WebhookSender:
    """A `ChannelSender` that posts signed JSON to the recipient's own address.

    ``resolve`` looks hosts up (default: the system); ``on_unknown`` is called for each unknown
    variable of a template, which renders as nothing.
    """

    channel = Channel.WEBHOOK

    def __init__(
        self,
        settings: WebhookSettings,
        *,
        resolve: Resolve | None = None,
        on_unknown: Callable[[], None] | None = None,
    ) -> None:
        self._settings = settings
        self._system = SystemResolver()
        self._client = HttpClient.guarded(
            settings, resolve or self._system, max_body=settings.max_response_bytes
        )
        self._renderer = Renderer(self.channel, RenderedWebhook, on_unknown)

    @property
    def send_timeout(self) -> float:
        """Seconds after which `send` has certainly returned."""
        return self._settings.send_timeout

    async def send(self, work: Work) -> Attempt:
        """Render, sign and post once. Raises only on cancellation."""
        started_at = datetime.now(UTC)
        reply = await self._reply(work, started_at)
        return Attempt(PROVIDER, started_at, datetime.now(UTC), reply)

    async def close(self) -> None:
        """Close the pool; sends under way must have ended."""
        await self._client.close()
        self._system.close()

    async def _reply(self, work: Work, now: datetime) -> Reply:
        address = work.addresses.webhook
        if address is None:
            return Reply(Outcome.PERMANENT, reason="no_address")
        try:
            body = webhook_body(self._renderer.render(work), work.delivery.created_at)
            headers = self._headers(work, address, body, now)
        except RenderingError as error:
            return Reply(Outcome.PERMANENT, reason="template_error", detail=str(error))
        except BadSecretError as error:
            return Reply(Outcome.PERMANENT, reason="bad_secret", detail=str(error))
        except Exception as error:  # one strange part must not stop its batch
            return Reply(Outcome.PERMANENT, reason="template_error", detail=type(error).__name__)
        if work.notification.origin.simulate:
            return _SIMULATED
        answer = await self._client.post(address.url, headers, body)
        if isinstance(answer, Reply):
            return answer
        return classify_status(answer.status, answer.retry_after, datetime.now(UTC))

    def _headers(
        self, work: Work, address: WebhookAddress, body: bytes, now: datetime
    ) -> dict[str, str]:
        secrets: list[SecretStr] = address.secrets or self._settings.signing_secrets
        signature = webhook_headers(
            (secret.get_secret_value() for secret in secrets),
            work.delivery.idempotency_key,
            int(now.timestamp()),
            body,
        )
        return {"content-type": "application/json", **signature}

"""Webhooks: sign, post, and say what came of it."""

from dataclasses import replace
from datetime import UTC, datetime

from pydantic import SecretStr

from fogbell.model.address import WebhookAddress
from fogbell.model.outcome import Fault, Outcome, Reply
from fogbell.model.status import Channel
from fogbell_worker.channels.webhook.classify import classify_status
from fogbell_worker.channels.webhook.payload import webhook_body
from fogbell_worker.channels.webhook.settings import WebhookSettings
from fogbell_worker.channels.webhook.signature import BadSecretError, webhook_headers
from fogbell_worker.http.client import HttpClient
from fogbell_worker.http.guard import Resolve, SystemResolver
from fogbell_worker.providers import Message, ProviderKind, RenderedWebhook

WebhookMessage = Message[RenderedWebhook, WebhookAddress]


class WebhookProvider:
    """Posts signed JSON to the recipient's own address.

    ``resolve`` looks hosts up (default: the system). Whatever fails is the receiver's fault, one of
    many: it never counts against this provider.
    """

    def __init__(self, settings: WebhookSettings, *, resolve: Resolve | None = None) -> None:
        self._settings = settings
        self._system = SystemResolver()
        self._client = HttpClient.guarded(
            settings, resolve or self._system, max_body=settings.max_response_bytes
        )

    async def send(self, message: WebhookMessage) -> Reply:
        """Sign and post once. Raises only on cancellation."""
        signed = self._signed(message)
        if isinstance(signed, Reply):
            return signed
        headers, body = signed
        answer = await self._client.post(
            message.address.url, headers, body, deadline=message.deadline
        )
        if isinstance(answer, Reply):
            return replace(answer, fault=Fault.MESSAGE) if answer.provider_failed else answer
        return classify_status(answer.status, answer.retry_after, datetime.now(UTC))

    def check(self, message: WebhookMessage) -> Reply | None:
        """Why ``message`` cannot be posted, or None."""
        signed = self._signed(message)
        return signed if isinstance(signed, Reply) else None

    async def close(self) -> None:
        """Close the pool; sends under way must have ended."""
        await self._client.close()
        self._system.close()

    def _signed(self, message: WebhookMessage) -> tuple[dict[str, str], bytes] | Reply:
        try:
            body = webhook_body(message.content, message.created_at)
            return self._headers(message, body), body
        except BadSecretError as error:
            return Reply(Outcome.PERMANENT, reason="bad_secret", detail=str(error))
        except (ValueError, TypeError, RecursionError) as error:  # what JSON cannot carry
            return Reply(Outcome.PERMANENT, reason="template_error", detail=type(error).__name__)

    def _headers(self, message: WebhookMessage, body: bytes) -> dict[str, str]:
        secrets: list[SecretStr] = message.address.secrets or self._settings.signing_secrets
        signature = webhook_headers(
            (secret.get_secret_value() for secret in secrets),
            message.idempotency_key,
            int(datetime.now(UTC).timestamp()),
            body,
        )
        return {"content-type": "application/json", **signature}


KIND = ProviderKind(Channel.WEBHOOK, WebhookSettings, WebhookProvider)
"""The kind ``webhook``."""

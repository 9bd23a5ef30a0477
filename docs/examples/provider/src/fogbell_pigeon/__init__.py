"""Text messages through the (imaginary) Pigeon gateway: a provider for Fogbell's worker.

Pigeon takes ``POST /v1/texts`` with ``{"to", "from", "text"}``, a bearer token, and an
Idempotency-Key by which it recognises a repeat.
"""

import asyncio

import httpx2
from pydantic import Field, SecretStr

from fogbell_worker.providers import (
    Channel,
    Fault,
    Message,
    Outcome,
    ProviderKind,
    ProviderSettings,
    RenderedSms,
    Reply,
)


class PigeonSettings(ProviderSettings):
    """``FOGBELL_PROVIDER__<NAME>__BASE_URL`` and so on."""

    base_url: str
    """Where the gateway is."""

    token: SecretStr
    """What it knows us by."""

    sender: str = Field(default="Fogbell", max_length=11)
    """What messages come from."""


class PigeonProvider:
    """One account at the gateway."""

    def __init__(self, settings: PigeonSettings) -> None:
        self._sender = settings.sender
        self._client = httpx2.AsyncClient(
            base_url=settings.base_url,
            headers={"authorization": f"Bearer {settings.token.get_secret_value()}"},
            timeout=settings.send_timeout,
            trust_env=False,
        )

    async def send(self, message: Message[RenderedSms, str]) -> Reply:
        """Post once. Whatever comes of it is a reply, never an exception."""
        text = {"to": message.address, "from": self._sender, "text": message.content.text}
        key = {"idempotency-key": message.idempotency_key}
        try:
            async with asyncio.timeout_at(message.deadline):
                answer = await self._client.post("/v1/texts", json=text, headers=key)
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            # Nothing was handed over: another provider may take it at once.
            return Reply(Outcome.TRANSIENT, reason="unreachable", detail=type(error).__name__)
        except (httpx2.HTTPError, TimeoutError) as error:
            # It may have been: nobody else is asked in the same breath.
            return Reply(Outcome.AMBIGUOUS, reason="no_reply", detail=type(error).__name__)
        return classify(answer.status_code)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


def classify(status: int) -> Reply:
    """What an answer means."""
    code = str(status)
    if status < 300:
        return Reply(Outcome.ACCEPTED, code=code)
    if status in (401, 403):
        return Reply(Outcome.TRANSIENT, code=code, reason="gateway_auth")
    if status == 404:  # the gateway knows no such number
        return Reply(Outcome.PERMANENT, code=code, reason="bad_address")
    if status == 451:  # it may not serve that country; another may
        return Reply(Outcome.PERMANENT, code=code, reason="unroutable", fault=Fault.PROVIDER)
    if status in (429, 503):
        return Reply(Outcome.TRANSIENT, code=code, reason="throttled")
    return Reply(Outcome.AMBIGUOUS, code=code, reason="gateway_error")


KIND = ProviderKind(channel=Channel.SMS, settings=PigeonSettings, create=PigeonProvider)

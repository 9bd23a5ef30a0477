"""Browsers, through the push service that each of them has chosen (RFC 8030)."""

import json
from dataclasses import replace
from datetime import UTC, datetime

from fogbell.model.outcome import Fault, Outcome, Reply
from fogbell.model.status import Channel
from fogbell_worker.channels.push.classify_webpush import classify_webpush
from fogbell_worker.channels.push.encryption import (
    LONGEST_MESSAGE,
    BadSubscriptionError,
    SubscriptionKeys,
    encrypt,
)
from fogbell_worker.channels.push.message import PushMessage, ToDevice, push_message
from fogbell_worker.channels.push.settings import WebPushSettings
from fogbell_worker.channels.push.vapid import Vapid, b64url, read_private_key
from fogbell_worker.http.client import HttpClient
from fogbell_worker.http.guard import Resolve, SystemResolver
from fogbell_worker.providers import ProviderKind


class WebPushProvider:
    """Sends to subscriptions that were made with this application server's key.

    A subscription's URL is whatever somebody stored, so it is posted to through the guard.
    ``resolve`` looks its host up (default: the system). Each browser has a push service of its
    maker's: what one of them does never counts against this provider.
    """

    def __init__(self, settings: WebPushSettings, *, resolve: Resolve | None = None) -> None:
        self._ttl = settings.ttl_seconds
        private_key = read_private_key(settings.vapid_private_key.get_secret_value())
        self._vapid = Vapid(private_key, settings.vapid_subject)
        self._system = SystemResolver()
        self._client = HttpClient.guarded(settings, resolve or self._system)

    async def send(self, message: ToDevice) -> Reply:
        """Try once. Raises only on cancellation."""
        reply = await self._sent(message)
        return replace(reply, fault=Fault.MESSAGE) if reply.provider_failed else reply

    async def _sent(self, given: ToDevice) -> Reply:
        device, message = given.address, push_message(given, self._ttl, datetime.now(UTC))
        if device.url is None or device.token is None:
            return Reply(Outcome.PERMANENT, reason="bad_address", detail="no url, or no keys")
        text = webpush_text(message)
        if len(text) > LONGEST_MESSAGE:
            detail = f"{len(text)} bytes; at most {LONGEST_MESSAGE} fit"
            return Reply(Outcome.PERMANENT, reason="too_large", detail=detail)
        try:
            body = encrypt(text, SubscriptionKeys.read(device.token))
        except BadSubscriptionError as error:
            return Reply(Outcome.PERMANENT, reason="bad_address", detail=str(error))
        headers = self._headers(message, device.url)
        answer = await self._client.post(device.url, headers, body, deadline=given.deadline)
        return answer if isinstance(answer, Reply) else classify_webpush(answer, datetime.now(UTC))

    async def close(self) -> None:
        """Close connections; sends under way must have ended."""
        await self._client.close()
        self._system.close()

    def _headers(self, message: PushMessage, url: str) -> dict[str, str]:
        """RFC 8030's TTL, Urgency and Topic, RFC 8188's encoding, RFC 8292's authorization.

        The topic is the delivery's id: a repeat replaces the first one where the device has not
        fetched it yet, so an ambiguous attempt seldom shows twice.
        """
        return {
            "authorization": self._vapid.authorization(url, int(message.now.timestamp())),
            "content-encoding": "aes128gcm",
            "content-type": "application/octet-stream",
            "ttl": str(message.ttl),
            "urgency": "high" if message.urgent else "normal",
            "topic": b64url(message.id.bytes),
        }


def webpush_text(message: PushMessage) -> bytes:
    """What a service worker gets: ``{"id", "title", "body", "data"}`` as UTF-8 JSON. Pure."""
    content = message.content
    document = {
        "id": str(message.id),
        "title": content.title,
        "body": content.body,
        "data": content.data,
    }
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace")


KIND = ProviderKind(Channel.PUSH, WebPushSettings, WebPushProvider)
"""The kind ``webpush``."""

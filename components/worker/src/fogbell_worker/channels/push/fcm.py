"""Apps, through Firebase Cloud Messaging's HTTP v1 interface.

Source: https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages/send
"""

import asyncio
import json
from datetime import UTC, datetime, timedelta

from fogbell.model.outcome import Outcome, Reply
from fogbell.model.status import Channel
from fogbell_worker.channels.push.classify_fcm import classify_fcm
from fogbell_worker.channels.push.message import PushMessage, ToDevice, push_message
from fogbell_worker.channels.push.settings import FcmSettings
from fogbell_worker.channels.push.tokens import AccessTokens, TokenError
from fogbell_worker.http.client import HttpClient, trust
from fogbell_worker.providers import ProviderKind


class FcmProvider:
    """Sends to registration tokens of one Firebase project."""

    def __init__(self, settings: FcmSettings) -> None:
        account = settings.account()
        base, project = settings.base_url.rstrip("/"), settings.project or account.project
        self._ttl = settings.ttl_seconds
        self._url = f"{base}/v1/projects/{project}/messages:send"
        self._client = HttpClient(settings)
        self._tokens = AccessTokens(account.credentials, trust(settings.ca_file))

    async def send(self, message: ToDevice) -> Reply:
        """Try once. Raises only on cancellation."""
        device, deadline = message.address, message.deadline
        if device.token is None:
            return Reply(Outcome.PERMANENT, reason="bad_address", detail="no registration token")
        try:
            async with asyncio.timeout_at(deadline):
                access = await self._tokens.get()
        except (TokenError, TimeoutError) as error:
            detail = f"no access token: {str(error) or 'no answer in time'}"
            return Reply(Outcome.TRANSIENT, reason="provider_auth", detail=detail)
        headers = {
            "authorization": f"Bearer {access}",
            "content-type": "application/json",
        }
        body = fcm_body(push_message(message, self._ttl, datetime.now(UTC)), device.token)
        answer = await self._client.post(self._url, headers, body, deadline=deadline)
        if isinstance(answer, Reply):
            return answer
        reply = classify_fcm(answer, datetime.now(UTC))
        if reply.code == "UNAUTHENTICATED":
            self._tokens.refused(access)
        return reply

    async def close(self) -> None:
        """Close connections; sends under way must have ended."""
        await self._client.close()
        await self._tokens.close()


def fcm_body(message: PushMessage, token: str) -> bytes:
    """``{"message": ...}`` as UTF-8 JSON. Pure.

    FCM has no idempotency key. What a device has already shown is replaced by a repeat, since both
    carry the delivery's id: as tag on Android and in browsers, as collapse id on Apple's devices.
    """
    content, tag, ttl = message.content, str(message.id), str(message.ttl)
    notification = {"title": content.title}
    if content.body:
        notification["body"] = content.body
    expires = int((message.now + timedelta(seconds=message.ttl)).timestamp())
    document: dict[str, object] = {
        "token": token,
        "notification": notification,
        "android": {
            "priority": "HIGH" if message.urgent else "NORMAL",
            "ttl": f"{ttl}s",
            "notification": {"tag": tag},
        },
        "apns": {
            "headers": {
                "apns-priority": "10" if message.urgent else "5",
                "apns-expiration": str(expires),
                "apns-collapse-id": tag,
            }
        },
        "webpush": {
            "headers": {"TTL": ttl, "Urgency": "high" if message.urgent else "normal"},
            "notification": {"tag": tag},
        },
    }
    if content.data:
        document["data"] = content.data
    text = json.dumps({"message": document}, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace")


KIND = ProviderKind(Channel.PUSH, FcmSettings, FcmProvider)
"""The kind ``fcm``."""

"""What is posted to the gateway. Pure.

Source: Twilio's reference of the Messages resource, "Create a Message"
(https://www.twilio.com/docs/messaging/api/message-resource).
"""

import base64
from datetime import datetime
from urllib.parse import urlencode

from fogbell_worker.channels.sms.settings import SmsSettings

LONGEST_VALIDITY = 36_000
"""Seconds that ``ValidityPeriod`` may be at most (Twilio's error 90007)."""


def messages_url(settings: SmsSettings) -> str:
    """Where messages are created."""
    base = settings.base_url.rstrip("/")
    return f"{base}/2010-04-01/Accounts/{settings.account_sid}/Messages.json"


def gateway_headers(settings: SmsSettings) -> dict[str, str]:
    """The headers of every post: HTTP Basic with the API key, or else the account."""
    user = settings.api_key_sid or settings.account_sid
    credentials = f"{user}:{settings.auth_token.get_secret_value()}".encode()
    return {
        "authorization": f"Basic {base64.b64encode(credentials).decode('ascii')}",
        "content-type": "application/x-www-form-urlencoded",
        "accept": "application/json",
    }


def message_form(
    settings: SmsSettings, to: str, text: str, expires_at: datetime | None, now: datetime
) -> bytes:
    """The form for one message.

    A notification that expires sooner than the gateway would give up says so with
    ``ValidityPeriod``: a code that nobody can use any more is not worth a message. There is no
    field for an idempotency key.
    """
    form = {"To": to, "Body": text}
    if settings.messaging_service_sid is not None:
        form["MessagingServiceSid"] = settings.messaging_service_sid
    if settings.sender is not None:
        form["From"] = settings.sender
    if expires_at is not None:
        left = int((expires_at - now).total_seconds())
        if left < LONGEST_VALIDITY:
            form["ValidityPeriod"] = str(max(left, 1))
    return urlencode(form).encode("ascii")

"""SMS gateways: post, and say what came of it."""

from datetime import UTC, datetime

from fogbell.model.outcome import Outcome, Reply
from fogbell.model.status import Channel
from fogbell_worker.channels.sms.classify import classify
from fogbell_worker.channels.sms.request import gateway_headers, message_form, messages_url
from fogbell_worker.channels.sms.settings import SmsSettings
from fogbell_worker.http.client import HttpClient
from fogbell_worker.providers import Message, ProviderKind, RenderedSms


class TwilioProvider:
    """Posts to one gateway that has Twilio's form."""

    def __init__(self, settings: SmsSettings) -> None:
        self._settings = settings
        self._url = messages_url(settings)
        self._headers = gateway_headers(settings)
        self._client = HttpClient(settings)

    async def send(self, message: Message[RenderedSms, str]) -> Reply:
        """Post once. Raises only on cancellation."""
        to, text, now = message.address, message.content.text, datetime.now(UTC)
        try:
            form = message_form(self._settings, to, text, message.expires_at, now)
        except UnicodeEncodeError as error:  # half a character
            return Reply(Outcome.PERMANENT, reason="template_error", detail=type(error).__name__)
        answer = await self._client.post(self._url, self._headers, form, deadline=message.deadline)
        return answer if isinstance(answer, Reply) else classify(answer, datetime.now(UTC))

    async def close(self) -> None:
        """Close the pool; sends under way must have ended."""
        await self._client.close()


KIND = ProviderKind(Channel.SMS, SmsSettings, TwilioProvider)
"""The kind ``twilio``."""

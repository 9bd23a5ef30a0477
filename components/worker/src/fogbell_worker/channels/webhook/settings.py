"""What an operator may set about webhooks."""

from pydantic import Field, SecretStr, field_validator

from fogbell_worker.channels.webhook.signature import decode_secret
from fogbell_worker.http.settings import GuardedSettings


class WebhookSettings(GuardedSettings):
    """Settings of the webhook channel, ``FOGBELL_WEBHOOK__<NAME>``; lists are written as JSON."""

    max_response_bytes: int = Field(default=16_384, ge=0, le=1_048_576)
    """How much of an answer's body is read (and dropped) to keep its connection; a longer one
    costs the connection."""

    signing_secrets: list[SecretStr] = Field(default_factory=list, max_length=5)
    """Secrets (``whsec_...``) for addresses that have none of their own. With neither, a webhook
    is sent unsigned."""

    @field_validator("signing_secrets")
    @classmethod
    def _decodable(cls, value: list[SecretStr]) -> list[SecretStr]:
        for secret in value:
            decode_secret(secret.get_secret_value())
        return value

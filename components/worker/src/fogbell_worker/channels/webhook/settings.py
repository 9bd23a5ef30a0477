"""What an operator may set about webhooks."""

from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from fogbell_worker.channels.webhook.signature import decode_secret

Port = Annotated[int, Field(ge=1, le=65535)]


class WebhookSettings(BaseModel):
    """Settings of the webhook channel, ``FOGBELL_WEBHOOK__<NAME>``; lists are written as JSON."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    send_timeout: float = Field(default=15.0, gt=0, le=300)
    """Seconds for one attempt, from looking the host up to the end of the answer."""

    connect_timeout: float = Field(default=5.0, gt=0, le=300)
    """Seconds for the TCP connection, and again for the TLS handshake, within `send_timeout`."""

    connections: int = Field(default=100, ge=1, le=10_000)
    """Connections held at once, idle ones included; more sends than that wait their turn."""

    allow_networks: list[IPv4Network | IPv6Network] = Field(default_factory=list)
    """Networks that may be posted to although they are not public (``["10.0.0.0/8"]``).

    Empty: public addresses only. Whoever may store a webhook address can then reach everything
    in these networks that listens, so name them narrowly.
    """

    allow_http: bool = False
    """Whether plain http is posted to. Off: content would cross networks readable by anyone,
    and a signature does not hide it. In-cluster receivers and the demo switch it on."""

    allowed_ports: list[Port] | None = None
    """Ports that may be posted to; None is any."""

    max_response_bytes: int = Field(default=16_384, ge=0, le=1_048_576)
    """How much of an answer's body is read (and dropped) to keep its connection; a longer one
    costs the connection."""

    user_agent: str = Field(default="Fogbell/0.1", pattern=r"^[\x21-\x7e][\x20-\x7e]{0,199}$")
    """The User-Agent header."""

    signing_secrets: list[SecretStr] = Field(default_factory=list, max_length=5)
    """Secrets (``whsec_...``) for addresses that have none of their own. With neither, a webhook
    is sent unsigned."""

    ca_file: Path | None = None
    """A PEM file of authorities to trust besides the system's."""

    @field_validator("signing_secrets")
    @classmethod
    def _decodable(cls, value: list[SecretStr]) -> list[SecretStr]:
        for secret in value:
            decode_secret(secret.get_secret_value())
        return value

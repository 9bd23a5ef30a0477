"""What an operator may set about HTTP to the outside, the same for every channel that speaks it."""

from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated

from pydantic import Field

from fogbell_worker.providers import ProviderSettings

Port = Annotated[int, Field(ge=1, le=65535)]


class HttpSettings(ProviderSettings):
    """How posts are made; lists are written as JSON in the environment."""

    send_timeout: float = Field(default=15.0, gt=0, le=300)
    """Seconds for one attempt, from looking the host up to the end of the answer."""

    connect_timeout: float = Field(default=5.0, gt=0, le=300)
    """Seconds for the TCP connection, and again for the TLS handshake, within `send_timeout`."""

    connections: int = Field(default=100, ge=1, le=10_000)
    """Connections held at once, idle ones included; more sends than that wait their turn."""

    user_agent: str = Field(default="Fogbell/0.1", pattern=r"^[\x21-\x7e][\x20-\x7e]{0,199}$")
    """The User-Agent header."""

    ca_file: Path | None = None
    """A PEM file of authorities to trust besides the system's."""


class GuardedSettings(HttpSettings):
    """Where posts may go whose URLs come with the recipients' addresses."""

    allow_networks: list[IPv4Network | IPv6Network] = Field(default_factory=list)
    """Networks that may be posted to although they are not public (``["10.0.0.0/8"]``).

    Empty: public addresses only. Whoever may store an address can then reach everything in these
    networks that listens, so name them narrowly.
    """

    allow_http: bool = False
    """Whether plain http is posted to. Off: content would cross networks readable by anyone,
    and a signature does not hide it. In-cluster receivers and the demo switch it on."""

    allowed_ports: list[Port] | None = None
    """Ports that may be posted to; None is any."""

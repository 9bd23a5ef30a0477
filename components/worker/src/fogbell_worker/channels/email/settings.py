"""How the relay is reached, and how much of it is used."""

import re
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Self
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from fogbell.model.address import Email
from fogbell_worker.channels.email.headers import split_mailbox
from fogbell_worker.providers import ProviderSettings

_DOMAIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")


class StartTls(StrEnum):
    """What to do with STARTTLS (RFC 3207) where the URL is a plain ``smtp://``."""

    NEVER = "never"
    OPPORTUNISTIC = "opportunistic"
    REQUIRED = "required"


class Security(StrEnum):
    """How a connection is protected; follows from the URL's scheme and `StartTls`."""

    PLAIN = "plain"
    OPPORTUNISTIC = "opportunistic"
    STARTTLS = "starttls"
    IMPLICIT = "implicit"


_SCHEMES: dict[str, tuple[Security | None, int]] = {
    "smtp": (None, 25),
    "smtps": (Security.IMPLICIT, 465),
    "smtp+starttls": (Security.STARTTLS, 587),
}
_PLAIN_SCHEME = {
    StartTls.NEVER: Security.PLAIN,
    StartTls.OPPORTUNISTIC: Security.OPPORTUNISTIC,
    StartTls.REQUIRED: Security.STARTTLS,
}


@dataclass(frozen=True, slots=True)
class Relay:
    """Where the relay is. ``username`` and ``password`` are both set or both None."""

    host: str
    port: int
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)


class EmailSettings(ProviderSettings):
    """Settings of one relay; all times are in seconds.

    The URL carries the password: it is a secret, and validation errors never repeat it. A settings
    class that nests this one needs ``hide_input_in_errors`` too, for pydantic takes it from the
    outermost model.
    """

    url: SecretStr
    """``smtp://``, ``smtps://`` or ``smtp+starttls://``, then ``user:password@host:port``. User and
    password are percent-encoded; the port defaults to 25, 465 and 587."""

    from_address: str
    """The sender where the content names none: ``Shop <shop@example.org>``."""

    name: str = Field(default="smtp", pattern=r"^[a-z][a-z0-9_-]{0,31}$")
    """What the provider is called in attempts and metrics."""

    envelope_from: Email | None = None
    """Where bounces go (MAIL FROM). None: the address of the From header."""

    message_id_domain: str | None = None
    """The right side of Message-ID. None: the domain of ``from_address``."""

    helo_name: str | None = None
    """What EHLO says. None: this machine's full name, looked up for each connection."""

    starttls: StartTls = StartTls.OPPORTUNISTIC
    """For ``smtp://`` only. Opportunistic protects from listeners, not from impostors: whoever can
    answer for the relay can also leave STARTTLS out, so certificates are not checked there."""

    verify_certificates: bool = True
    """Whether ``smtps`` and required STARTTLS check the relay's certificate and name."""

    ca_file: Path | None = None
    """Certificate authorities in PEM form, in place of the system's. None: the system's."""

    connections: int = Field(default=10, ge=1, le=1000)
    """Connections to the relay at most, for each lane of this process; two mails for each may be
    under way."""

    messages_per_connection: int = Field(default=1000, ge=1)
    """A connection says QUIT after so many mails; many relays limit them."""

    idle_seconds: float = Field(default=30, gt=0)
    """A connection unused for so long is closed; keep it below the relay's own limit."""

    connect_timeout: float = Field(default=10, gt=0)
    """Connecting, TLS and logging in together. A mail waits no longer than this, nor than half of
    its time, for its turn on a connection; then it is put back, and no attempt is counted."""

    send_timeout: float = Field(default=30, gt=0, le=300)
    """One delivery from rendering to the relay's answer, waiting for a connection included."""

    @field_validator("url")
    @classmethod
    def _usable_url(cls, value: SecretStr) -> SecretStr:
        _split_url(value.get_secret_value())
        return value

    @field_validator("from_address")
    @classmethod
    def _sender(cls, value: str) -> str:
        split_mailbox("from_address", value)
        return value

    @field_validator("message_id_domain", "helo_name")
    @classmethod
    def _domain_name(cls, value: str | None) -> str | None:
        if value is not None and not _DOMAIN.fullmatch(value):
            raise ValueError("expected a domain name such as mail.example.org")
        return value

    @model_validator(mode="after")
    def _ordered_timeouts(self) -> Self:
        if self.connect_timeout > self.send_timeout:
            raise ValueError("expected connect_timeout to be at most send_timeout")
        return self

    @property
    def mails_at_once(self) -> int:
        """Mails that keep every connection busy: while one waits for its answer, the envelope of
        the next one is out already.
        """
        return 2 * self.connections

    @property
    def security(self) -> Security:
        """How connections are protected."""
        scheme = urlsplit(self.url.get_secret_value()).scheme
        return _SCHEMES[scheme][0] or _PLAIN_SCHEME[self.starttls]

    @property
    def relay(self) -> Relay:
        """The URL's parts, decoded."""
        parts = urlsplit(self.url.get_secret_value())
        port = parts.port or _SCHEMES[parts.scheme][1]
        if parts.username is None:
            return Relay(parts.hostname or "", port)
        return Relay(
            parts.hostname or "", port, unquote(parts.username), unquote(parts.password or "")
        )

    @property
    def id_domain(self) -> str:
        """The domain that Message-IDs are made in."""
        if self.message_id_domain is not None:
            return self.message_id_domain
        return split_mailbox("from_address", self.from_address)[1].rpartition("@")[2]


def _split_url(url: str) -> SplitResult:
    """Raises ValueError in words that do not repeat the URL, for it holds a password."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise ValueError("the URL of the relay cannot be parsed: check host and port") from None
    if parts.scheme not in _SCHEMES:
        raise ValueError("expected a relay's URL of scheme smtp, smtps or smtp+starttls")
    if not parts.hostname:
        raise ValueError("expected a host name in the relay's URL")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError("the relay's URL ends at its port; percent-encode /, ? and # in passwords")
    if parts.username == "":
        raise ValueError("the relay's URL has a password but no user name")
    return parts

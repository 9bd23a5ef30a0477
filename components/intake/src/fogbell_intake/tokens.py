"""A recipient's token for the inbox: signed, short-lived, kept nowhere.

``fbi_<payload>.<mac>``: the payload is the expiry (8 bytes, big-endian, seconds since the epoch)
and the recipient's id, the mac is HMAC-SHA256 over all that stands before the dot; both in
base64url without padding. Nothing but the key is secret: the payload is readable by its holder.

Pure: the time comes in.
"""

import base64
import binascii
import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import AfterValidator, SecretStr

PREFIX = "fbi_"
SHORTEST_SECRET = 32
LONGEST_TOKEN = 512
_EXPIRY_BYTES = 8
_TOKEN = re.compile(r"fbi_[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{43}", re.ASCII)


class InvalidTokenError(ValueError):
    """Not a token that any of the present secrets has signed."""


class ExpiredTokenError(ValueError):
    """A token that was good until its time was over."""


@dataclass(frozen=True, slots=True)
class InboxToken:
    """Whose inbox it opens, and until when (UTC, whole seconds)."""

    recipient_id: str
    expires_at: datetime


def check_secrets(value: SecretStr) -> SecretStr:
    """One secret, or several separated by commas: the first signs, all are believed.

    Raises ValueError for one of fewer than 32 characters.
    """
    if any(len(secret) < SHORTEST_SECRET for secret in _split(value)):
        raise ValueError(
            f"expected at least {SHORTEST_SECRET} random characters, or several such secrets "
            "separated by commas, the one that signs first"
        )
    return value


TokenSecret = Annotated[SecretStr, AfterValidator(check_secrets)]


class TokenSigner:
    """Signs with the first secret, and believes every one: so secrets are changed without a gap."""

    def __init__(self, secrets: SecretStr, lifetime: timedelta = timedelta(hours=1)) -> None:
        self._keys = [secret.encode() for secret in _split(check_secrets(secrets))]
        self._lifetime = lifetime

    def issue(self, recipient_id: str, now: datetime) -> tuple[str, InboxToken]:
        """A new token and what it says."""
        expires_at = (now + self._lifetime).replace(microsecond=0)
        seconds = int(expires_at.timestamp())
        payload = seconds.to_bytes(_EXPIRY_BYTES, "big") + recipient_id.encode()
        signed = PREFIX + _text(payload)
        return f"{signed}.{_mac(self._keys[0], signed)}", InboxToken(recipient_id, expires_at)

    def verify(self, token: str, now: datetime) -> InboxToken:
        """What a token says; raises `InvalidTokenError` or `ExpiredTokenError`."""
        # The texts of the macs are compared, not their bytes: in base64 several texts of one
        # length stand for the same bytes.
        if len(token) > LONGEST_TOKEN or not _TOKEN.fullmatch(token):
            raise InvalidTokenError("expected fbi_, a payload, a dot and a signature")
        signed, _, mac = token.rpartition(".")
        if not any(hmac.compare_digest(mac, _mac(key, signed)) for key in self._keys):
            raise InvalidTokenError("the signature is not of any present secret")
        found = _payload(signed.removeprefix(PREFIX))
        if found.expires_at <= now:
            raise ExpiredTokenError("the time of the token is over")
        return found


def _split(secrets: SecretStr) -> list[str]:
    return [secret.strip() for secret in secrets.get_secret_value().split(",")]


def _mac(key: bytes, signed: str) -> str:
    return _text(hmac.digest(key, signed.encode(), hashlib.sha256))


def _text(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")


def _payload(text: str) -> InboxToken:
    try:
        payload = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        seconds = int.from_bytes(payload[:_EXPIRY_BYTES], "big")
        expires_at = datetime.fromtimestamp(seconds, UTC)
        return InboxToken(payload[_EXPIRY_BYTES:].decode(), expires_at)
    except (binascii.Error, OverflowError, OSError, ValueError):
        raise InvalidTokenError("the payload is not of this version") from None

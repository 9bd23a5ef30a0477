"""Signatures as the Standard Webhooks specification has them (symmetric, version ``v1``).

Source: https://github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md. Pure.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable

_PREFIX = "whsec_"


class BadSecretError(ValueError):
    """A signing secret is not ``whsec_`` followed by base64."""

    def __init__(self) -> None:
        super().__init__("expected a signing secret such as whsec_ followed by base64")


def decode_secret(secret: str) -> bytes:
    """The key that ``whsec_<base64>`` stands for; the prefix and the padding may be missing.

    Raises `BadSecretError`, which never holds the secret.
    """
    encoded = secret.removeprefix(_PREFIX).rstrip("=")
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise BadSecretError from None
    if not key:
        raise BadSecretError
    return key


def sign(key: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    """``v1,<base64 of HMAC-SHA256 over "id.timestamp.body">``; ``timestamp`` in Unix seconds."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    digest = hmac.new(key, signed, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode("ascii")


def webhook_headers(
    secrets: Iterable[str], message_id: str, timestamp: int, body: bytes
) -> dict[str, str]:
    """``webhook-id``, ``webhook-timestamp`` and ``webhook-signature`` for one attempt.

    One signature per secret, separated by spaces, so that a receiver can change keys without
    missing a message. Without secrets the signature header is absent: a receiver that checks
    refuses, one that does not sees no pretence. Raises `BadSecretError`.
    """
    headers = {"webhook-id": message_id, "webhook-timestamp": str(timestamp)}
    signatures = [sign(decode_secret(s), message_id, timestamp, body) for s in secrets]
    if signatures:
        headers["webhook-signature"] = " ".join(signatures)
    return headers

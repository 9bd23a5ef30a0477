"""Web Push messages that only the browser can read (RFC 8291, over RFC 8188's aes128gcm)."""

import secrets
from dataclasses import dataclass

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from fogbell_worker.channels.push.vapid import b64url_decode, public_bytes

RECORD_SIZE = 4096
_HEADER = 16 + 4 + 1 + 65
"""Salt, record size, the length of the key, the key."""

LONGEST_MESSAGE = RECORD_SIZE - _HEADER - 16 - 1
"""Bytes that fit: push services take bodies of 4096 bytes (RFC 8030, 7.2), of which the header,
the tag and the delimiter are not the message's."""


class BadSubscriptionError(ValueError):
    """The keys of a subscription are none that can be encrypted to."""


@dataclass(frozen=True, slots=True)
class SubscriptionKeys:
    """What the browser gave: its public key (65 bytes), and the secret shared with it (16)."""

    p256dh: bytes
    auth: bytes

    @classmethod
    def read(cls, token: str) -> "SubscriptionKeys":
        """From ``p256dh.auth``, as `PushAddress` has them. Raises `BadSubscriptionError`."""
        p256dh, _, auth = token.partition(".")
        try:
            keys = cls(b64url_decode(p256dh), b64url_decode(auth))
        except ValueError:
            raise BadSubscriptionError("the subscription's keys are not base64url") from None
        if len(keys.p256dh) != 65 or len(keys.auth) != 16:
            raise BadSubscriptionError("the subscription's keys have the wrong length")
        return keys


def encrypt(
    message: bytes,
    keys: SubscriptionKeys,
    *,
    private_key: ec.EllipticCurvePrivateKey | None = None,
    salt: bytes | None = None,
) -> bytes:
    """The body of a push message: one record, not padded.

    ``private_key`` and ``salt`` (16 bytes) are fresh for each message; only tests name them.
    Raises `BadSubscriptionError` where the browser's key is no point of the curve, and ValueError
    for more than `LONGEST_MESSAGE` bytes.
    """
    if len(message) > LONGEST_MESSAGE:
        raise ValueError(f"expected at most {LONGEST_MESSAGE} bytes")
    private_key = private_key or ec.generate_private_key(ec.SECP256R1())
    salt = salt or secrets.token_bytes(16)
    try:
        receiver = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), keys.p256dh)
    except ValueError:
        raise BadSubscriptionError("the subscription's p256dh is no key") from None
    sender_public = public_bytes(private_key.public_key())
    info = b"WebPush: info\x00" + keys.p256dh + sender_public
    secret = _derive(private_key.exchange(ec.ECDH(), receiver), keys.auth, info, 32)
    key = _derive(secret, salt, b"Content-Encoding: aes128gcm\x00", 16)
    nonce = _derive(secret, salt, b"Content-Encoding: nonce\x00", 12)
    # 2 ends the last record (RFC 8188, 2); the nonce of the first record is not changed
    record = AESGCM(key).encrypt(nonce, message + b"\x02", None)
    header = salt + RECORD_SIZE.to_bytes(4, "big") + bytes([len(sender_public)]) + sender_public
    return header + record


def _derive(secret: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    return HKDF(hashes.SHA256(), length, salt, info).derive(secret)

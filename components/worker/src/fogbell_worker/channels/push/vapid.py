"""Who sends a Web Push message: signed tokens for push services (RFC 8292)."""

import base64
import contextlib
import json
import re
from collections import OrderedDict
from urllib.parse import urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

_LIFETIME = 12 * 3600
"""Seconds that a token is good for: RFC 8292 allows 24 hours, and clocks differ."""

_REPLACED_AFTER = 6 * 3600
_ORIGINS = 256
"""Push services are few; whoever stores subscriptions names them, so their number is bounded."""

_PRIVATE_KEY = re.compile(r"[A-Za-z0-9_-]{43}=?")


def b64url(data: bytes) -> str:
    """Base64url without padding, as RFC 7515 has it."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def b64url_decode(text: str) -> bytes:
    """The bytes that unpadded (or padded) base64url stands for. Raises ValueError."""
    bare = text.rstrip("=")
    return base64.b64decode(bare + "=" * (-len(bare) % 4), altchars=b"-_", validate=True)


def read_private_key(text: str) -> ec.EllipticCurvePrivateKey:
    """The P-256 key whose 32 bytes ``text`` has in base64url. Raises ValueError without it."""
    if _PRIVATE_KEY.fullmatch(text):
        with contextlib.suppress(ValueError):  # no number of the curve
            number = int.from_bytes(b64url_decode(text), "big")
            return ec.derive_private_key(number, ec.SECP256R1())
    raise ValueError("expected a P-256 private key: 32 bytes in base64url")


def public_bytes(key: ec.EllipticCurvePublicKey) -> bytes:
    """The 65 bytes of an uncompressed point."""
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def origin(url: str) -> str:
    """Scheme, host and port of ``url`` (RFC 6454), the scheme's own port left out."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if ":" in host:
        host = f"[{host}]"
    usual = {"https": 443, "http": 80}.get(parts.scheme)
    port = f":{parts.port}" if parts.port not in (None, usual) else ""
    return f"{parts.scheme}://{host}{port}"


class Vapid:
    """Makes the Authorization header of each push service, and keeps it for hours."""

    def __init__(self, private_key: ec.EllipticCurvePrivateKey, subject: str) -> None:
        self._key = private_key
        self._subject = subject
        self._public = b64url(public_bytes(private_key.public_key()))
        self._kept: OrderedDict[str, tuple[int, str]] = OrderedDict()

    def authorization(self, url: str, now: int) -> str:
        """``vapid t=<token>, k=<public key>`` for the service of ``url``; ``now`` in Unix time."""
        audience = origin(url)
        made_at, header = self._kept.get(audience, (0, ""))
        if not made_at <= now < made_at + _REPLACED_AFTER or not header:
            header = f"vapid t={self._token(audience, now)}, k={self._public}"
            self._kept[audience] = (now, header)
            if len(self._kept) > _ORIGINS:
                self._kept.popitem(last=False)
        self._kept.move_to_end(audience)
        return header

    def _token(self, audience: str, now: int) -> str:
        """A JWT (RFC 7519) signed by ES256, whose signature is r and s of 32 bytes (RFC 7518)."""
        claims = {"aud": audience, "exp": now + _LIFETIME, "sub": self._subject}
        signed = ".".join(
            b64url(json.dumps(part, separators=(",", ":")).encode())
            for part in ({"typ": "JWT", "alg": "ES256"}, claims)
        )
        r, s = decode_dss_signature(self._key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{signed}.{b64url(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"

"""A browser with a subscription, and the push service in between (RFC 8030, 8291, 8292)."""

import json
import re
import secrets
import time
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fogbell.model.address import PushAddress
from fogbell_worker.channels.push.vapid import b64url, b64url_decode, public_bytes

_TOPIC = re.compile(r"[A-Za-z0-9_-]{1,32}")


@dataclass
class Browser:
    """Whoever has subscribed: makes keys, and reads what was sent to them."""

    key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )
    auth: bytes = field(default_factory=lambda: secrets.token_bytes(16))

    @property
    def keys(self) -> str:
        """As a page would join them: ``p256dh.auth``."""
        return f"{b64url(public_bytes(self.key.public_key()))}.{b64url(self.auth)}"

    def address(self, url: str) -> PushAddress:
        """The address to store for a subscription at ``url``."""
        return PushAddress(provider="webpush", url=url, token=self.keys)

    def decrypt(self, body: bytes) -> bytes:
        """RFC 8188's one record, by the receiver's side of RFC 8291."""
        salt, size, length = body[:16], int.from_bytes(body[16:20], "big"), body[20]
        sender, record = body[21 : 21 + length], body[21 + length :]
        assert len(record) <= size
        public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), sender)
        info = b"WebPush: info\x00" + public_bytes(self.key.public_key()) + sender
        secret = self._hkdf(self.key.exchange(ec.ECDH(), public), self.auth, info, 32)
        key = self._hkdf(secret, salt, b"Content-Encoding: aes128gcm\x00", 16)
        nonce = self._hkdf(secret, salt, b"Content-Encoding: nonce\x00", 12)
        padded = AESGCM(key).decrypt(nonce, record, None).rstrip(b"\x00")
        assert padded.endswith(b"\x02"), "the last record ends so"
        return padded[:-1]

    @staticmethod
    def _hkdf(secret: bytes, salt: bytes, info: bytes, length: int) -> bytes:
        return HKDF(hashes.SHA256(), length, salt, info).derive(secret)


@dataclass
class PushService:
    """Takes messages for subscriptions made with ``server_key``; ``answers`` come before that."""

    server_key: ec.EllipticCurvePublicKey
    answers: list[Response] = field(default_factory=list)
    messages: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    requests: int = 0

    @property
    def app(self) -> Starlette:
        return Starlette(routes=[Route("/push/{subscription}", self._push, methods=["POST"])])

    async def _push(self, request: Request) -> Response:
        self.requests += 1
        if self.answers:
            return self.answers.pop(0)
        headers, body = dict(request.headers), await request.body()
        status = self._judge(str(request.base_url).rstrip("/"), headers, body)
        if status != 201:
            return Response(status_code=status)
        self.messages.append((headers, body))
        location = f"{request.base_url}message/{len(self.messages)}"
        return Response(status_code=201, headers={"Location": location})

    def _judge(self, origin: str, headers: dict[str, str], body: bytes) -> int:
        if "ttl" not in headers or not headers["ttl"].isdigit():
            return 400
        if headers.get("content-encoding") != "aes128gcm":
            return 415
        if headers["urgency"] not in ("very-low", "low", "normal", "high"):
            return 400
        if not _TOPIC.fullmatch(headers["topic"]):
            return 400
        if len(body) > 4096:
            return 413
        return 201 if self._authorized(headers.get("authorization", ""), origin) else 403

    def _authorized(self, authorization: str, origin: str) -> bool:
        found = re.fullmatch(r"vapid t=([\w.-]+), k=([\w-]+)", authorization)
        if found is None or found[2] != b64url(public_bytes(self.server_key)):
            return False
        claims = read_token(found[1], self.server_key)
        now = time.time()
        return bool(claims["aud"] == origin and now < claims["exp"] <= now + 24 * 3600)


def read_token(token: str, key: ec.EllipticCurvePublicKey) -> dict[str, Any]:
    """The claims of an ES256 JWT; raises InvalidSignature."""
    signed, _, encoded = token.rpartition(".")
    header, _, claims = signed.partition(".")
    assert json.loads(b64url_decode(header)) == {"typ": "JWT", "alg": "ES256"}
    signature = b64url_decode(encoded)
    assert len(signature) == 64
    r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
    key.verify(encode_dss_signature(r, s), signed.encode(), ec.ECDSA(hashes.SHA256()))
    parsed: dict[str, Any] = json.loads(b64url_decode(claims))
    return parsed

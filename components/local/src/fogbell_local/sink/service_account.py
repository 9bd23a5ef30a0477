"""The service account that sends push messages here: its key file, and what it has signed.

Source: "Using OAuth 2.0 for server to server applications"
(https://developers.google.com/identity/protocols/oauth2/service-account), RFC 7523.
"""

import base64
import json
import os
import time
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

PROJECT = "fogbell-local"
EMAIL = f"fogbell@{PROJECT}.iam.gserviceaccount.com"
SCOPE = "https://www.googleapis.com/auth/firebase.messaging"


def write(file: Path, token_uri: str) -> None:
    """Make a key, and write the account's key file as the Firebase console gives it (mode 0600)."""
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    document = {
        "type": "service_account",
        "project_id": PROJECT,
        "private_key_id": "local",
        "private_key": pem.decode(),
        "client_email": EMAIL,
        "token_uri": token_uri,
    }
    draft = file.with_suffix(".draft")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as handle:
        json.dump(document, handle, indent=2)
    draft.replace(file)


def is_signed(assertion: str, file: Path) -> bool:
    """Whether the account of ``file`` asks, with an assertion that holds now, to send messages."""
    try:
        claims = _verified(assertion, _public_key(file))
        return (
            (claims["iss"], claims["scope"]) == (EMAIL, SCOPE)
            and claims["iat"] - 60 <= time.time() < claims["exp"] <= claims["iat"] + 3600
        )  # fmt: skip
    except (InvalidSignature, OSError, KeyError, TypeError, ValueError):
        return False


def _public_key(file: Path) -> rsa.RSAPublicKey:
    pem = json.loads(file.read_text())["private_key"]
    key = serialization.load_pem_private_key(pem.encode(), password=None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise TypeError("expected an RSA key")
    return key.public_key()


def _verified(assertion: str, key: rsa.RSAPublicKey) -> dict[str, Any]:
    signed, _, signature = assertion.rpartition(".")
    key.verify(_decoded(signature), signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    claims: dict[str, Any] = json.loads(_decoded(signed.partition(".")[2]))
    return claims


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))

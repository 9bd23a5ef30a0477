"""Cursors: where a list goes on. Opaque to clients, and good for one list alone.

A place in one list is often a place in another, where it would skip items in silence. So each ends
in a checksum over the list's name and itself. That is no secret: it tells slips, not attacks, and
a made-up place shows nothing that the list does not.
"""

import base64
import binascii
import hashlib
import json
from typing import Any

from fogbell_intake.parsing import loads
from fogbell_intake.problems import invalid_parameter

_CHECK_BYTES = 6


def encode_cursor(of: str, *parts: str | int) -> str:
    """A cursor of the list ``of``, one line of ASCII; clients give it back as it stands."""
    payload = json.dumps(parts).encode()
    whole = payload + _check(of, payload)
    return base64.urlsafe_b64encode(whole).decode().rstrip("=")


def decode_cursor(of: str, text: str, *kinds: type, name: str = "after") -> list[Any]:
    """The parts of a cursor of ``of``, each of its kind (``str`` or ``int``); else a 422 `Problem`
    about the parameter ``name``.
    """
    parts = _parts(of, text)
    if isinstance(parts, list) and [type(part) for part in parts] == list(kinds):
        return parts
    raise invalid_parameter(name, "expected what an answer's 'next' gave, as it stands")


def _parts(of: str, text: str) -> object:
    try:
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        whole = base64.b64decode(padded, altchars=b"-_", validate=True)
        payload, check = whole[:-_CHECK_BYTES], whole[-_CHECK_BYTES:]
        # The last character has bits that decode to nothing: as it stands means those too.
        canonical = base64.urlsafe_b64encode(whole).decode().rstrip("=") == text
        return loads(payload) if canonical and check == _check(of, payload) else None
    except (ValueError, binascii.Error):
        return None


def _check(of: str, payload: bytes) -> bytes:
    return hashlib.sha256(of.encode() + b"\n" + payload).digest()[:_CHECK_BYTES]

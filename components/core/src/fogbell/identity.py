"""Ids that come out the same however often they are asked for.

Creating a delivery is "insert, ignore duplicate key": a request retried, a pod restarted, a job
fired twice all end in the same ids. Layouts follow RFC 9562.
"""

import hashlib
import os
import time
from collections.abc import Callable
from uuid import UUID

from fogbell.model.status import Channel

PREFIX_BITS = 48
"""Bits that a delivery's id shares with its notification's: a run's records lie together."""

_HASH_BITS = 122 - PREFIX_BITS
_LOW_BITS = 128 - PREFIX_BITS
_MAX_LOW = (1 << _LOW_BITS) - 1
_MAX_REST = (1 << 62) - 1


def uuid7() -> UUID:
    """A fresh UUIDv7 (RFC 9562 5.7): milliseconds since the epoch, then 74 random bits."""
    milliseconds = time.time_ns() // 1_000_000
    return _assemble(milliseconds, int.from_bytes(os.urandom(10), "big") >> 6, version=7)


def notification_id(app: str, idempotency_key: str) -> UUID:
    """The id for an app's idempotency key: API keys may rotate, the app stays."""
    return _derived("notification", app, idempotency_key)


def run_id(campaign_uid: str, run: str) -> UUID:
    """The id of a campaign's run: the campaign's uid, and its scheduled time or Job's uid."""
    return _derived("run", campaign_uid, run)


def delivery_id(
    notification: UUID, recipient: str, channel: Channel, address: str | None = None
) -> UUID:
    """The id of one notification to one recipient over one channel.

    ``address`` tells apart a recipient's several addresses on one channel (push tokens). The
    hash part is 74 bits: with ten million recipients a run, the odds that any two share an id
    are below one in 10^8; a collision would be a recipient lost in silence.
    """
    digest = _digest(
        notification.bytes, recipient.encode(), channel.encode(), (address or "").encode()
    )
    return _assemble(notification.int >> _LOW_BITS, digest, version=8)


def delivery_ids(notification: UUID, channel: Channel) -> Callable[[str], bytes]:
    """What makes ids of recipients, as `delivery_id` without an address does: 16 bytes each.

    For those who make thousands: what they share is hashed once, and no `UUID` is built.
    """
    shared = _hasher(notification.bytes)
    tail = _framed(channel.encode()) + _framed(b"")
    base = _assemble(notification.int >> _LOW_BITS, 0, version=8).int

    def of(recipient: str) -> bytes:
        hasher = shared.copy()
        hasher.update(_framed(recipient.encode()) + tail)
        digest = int.from_bytes(hasher.digest(), "big") >> (128 - _HASH_BITS)
        # The fields that `_assemble` fills are zeroes in `base`.
        return (base | digest >> 62 << 64 | digest & _MAX_REST).to_bytes(16, "big")

    return of


def delivery_range(notification: UUID) -> tuple[UUID, UUID]:
    """First and last id that a delivery of ``notification`` can have, both inclusive.

    Notifications of the same millisecond share the range, so a query names
    ``notification_id`` as well.
    """
    first = (notification.int >> _LOW_BITS) << _LOW_BITS
    return UUID(int=first), UUID(int=first | _MAX_LOW)


SLICES = 1 << 12
"""Equal parts of a run, by the first bits of the hash in its deliveries' ids."""


def delivery_slices(notification: UUID, start: int, end: int) -> tuple[UUID, UUID]:
    """First and last id of slices ``start`` up to, not with, ``end`` of `SLICES`, both inclusive.

    Together they hold every delivery of ``notification`` once. As hashes are, they are of about
    the same size.
    """
    base = (notification.int >> _LOW_BITS) << _LOW_BITS | 8 << 76
    return UUID(int=base | start << 64), UUID(int=base | (end << 64) - 1)


def recipient_hash(recipient: str) -> str:
    """What stands for a recipient in live events: their id may be an e-mail address."""
    return hashlib.blake2b(recipient.encode(), digest_size=16, person=b"fogbell-event").hexdigest()


def inline_key(canonical_addresses: str) -> str:
    """What stands for somebody who is not in the directory; never a valid recipient id."""
    return "~" + hashlib.blake2b(canonical_addresses.encode(), digest_size=16).hexdigest()


def _derived(kind: str, *parts: str) -> UUID:
    digest = _digest(kind.encode(), *(part.encode() for part in parts), bits=122)
    return _assemble(digest >> _HASH_BITS, digest & ((1 << _HASH_BITS) - 1), version=8)


def _digest(*parts: bytes, bits: int = _HASH_BITS) -> int:
    return int.from_bytes(_hasher(*parts).digest(), "big") >> (128 - bits)


def _hasher(*parts: bytes) -> "hashlib.blake2b":
    return hashlib.blake2b(b"".join(map(_framed, parts)), digest_size=16, person=b"fogbell")


def _framed(part: bytes) -> bytes:
    """The length goes first, so that ("ab", "c") and ("a", "bc") differ."""
    return len(part).to_bytes(4, "big") + part


def _assemble(prefix: int, low: int, *, version: int) -> UUID:
    """48 bits of prefix, the version, 12 bits, the variant, 62 bits."""
    high, rest = low >> 62, low & _MAX_REST
    return UUID(int=(prefix << 80) | (version << 76) | (high << 64) | (0b10 << 62) | rest)

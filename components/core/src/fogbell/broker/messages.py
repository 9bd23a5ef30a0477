"""What travels: ids in small JSON bodies. Pure."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

VERSION = 1
MOST_IDS = 1000
"""More ids than this in one message is not ours: the largest that is published has 200."""


class UndecodableMessageError(ValueError):
    """The body is not a message of this version; it belongs in the dead-letter queue."""


@dataclass(frozen=True, slots=True)
class Ids:
    """Delivery ids to claim; ``alone`` are to be claimed by themselves (a lost lease).

    ``chunk`` is the token of the chunk that they are, where they are leased together.
    """

    ids: tuple[UUID, ...]
    alone: bool = False
    chunk: str | None = None


@dataclass(frozen=True, slots=True)
class InboxEvent:
    """Items that have just been stored: pairs of hashed recipient id and delivery id."""

    items: tuple[tuple[str, UUID], ...]


def encode_ids(
    ids: Sequence[UUID | bytes], *, alone: bool = False, chunk: str | None = None
) -> bytes:
    """``{"v":1,"ids":["0193...", ...]}``; where they apply, ``"alone":true`` and ``"chunk":"..."``.

    Ids are UUIDs, or their 16 bytes.
    """
    body: dict[str, object] = {"v": VERSION, "ids": [_text(i) for i in ids]}
    if alone:
        body["alone"] = True
    if chunk is not None:
        body["chunk"] = chunk
    return json.dumps(body, separators=(",", ":")).encode()


def _text(i: UUID | bytes) -> str:
    if isinstance(i, UUID):
        return str(i)
    digits = i.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def decode_ids(body: bytes) -> Ids:
    """The ids of a message; raises `UndecodableMessageError` and nothing else."""
    document = _decoded(body)
    texts = document.get("ids")
    if not isinstance(texts, list) or not 1 <= len(texts) <= MOST_IDS:
        raise UndecodableMessageError(f"expected 'ids', a list of 1 to {MOST_IDS} UUIDs")
    try:
        ids = tuple(UUID(text) for text in texts)
    except (AttributeError, TypeError, ValueError):
        raise UndecodableMessageError("expected every one of 'ids' to be a UUID") from None
    chunk = document.get("chunk")
    if chunk is not None and not (isinstance(chunk, str) and chunk):
        raise UndecodableMessageError("expected 'chunk' to be a token")
    return Ids(ids, alone=document.get("alone") is True, chunk=chunk)


def encode_event(event: InboxEvent) -> bytes:
    """``{"v":1,"inbox":[["<hash>","<delivery id>"], ...]}``."""
    pairs = [[who, str(delivery)] for who, delivery in event.items]
    return json.dumps({"v": VERSION, "inbox": pairs}, separators=(",", ":")).encode()


def decode_event(body: bytes) -> InboxEvent:
    """The event of a message; raises `UndecodableMessageError` and nothing else."""
    pairs = _decoded(body).get("inbox")
    if not isinstance(pairs, list):
        raise UndecodableMessageError("expected 'inbox', a list of pairs")
    try:
        return InboxEvent(tuple((str(who), UUID(delivery)) for who, delivery in pairs))
    except (AttributeError, TypeError, ValueError):
        raise UndecodableMessageError("expected pairs of a hash and a delivery's id") from None


def parts(ids: Sequence[UUID | bytes], size: int) -> Iterator[Sequence[UUID | bytes]]:
    """``ids`` in slices of at most ``size``."""
    for start in range(0, len(ids), size):
        yield ids[start : start + size]


def _decoded(body: bytes) -> dict[str, object]:
    try:
        document = json.loads(body)
    except (UnicodeDecodeError, RecursionError, ValueError):
        raise UndecodableMessageError("expected a JSON object") from None
    if not isinstance(document, dict) or document.get("v") != VERSION:
        raise UndecodableMessageError(f'expected a JSON object with "v": {VERSION}')
    return document

"""An inbox item as answered, as an event, and as a cursor. Pure.

Frames are those of server-sent events (WHATWG HTML, "Server-sent events"): lines of UTF-8, ended
by an empty one. An item's id there is its cursor, so that ``Last-Event-ID`` says where to resume.
"""

import json
import random
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from fogbell.store.inbox import InboxItem, Position
from fogbell.views import rfc3339, rfc3339_or_none
from fogbell_intake.cursors import decode_cursor, encode_cursor
from fogbell_intake.problems import invalid_parameter

HEARTBEAT = b": heartbeat\n\n"
EXPIRED = b"event: expired\ndata: {}\n\n"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_NO_ID = UUID(int=0)


class Frame(NamedTuple):
    """An item's event, ready to be sent to any number of streams."""

    position: Position
    body: bytes


def item_document(item: InboxItem) -> dict[str, Any]:
    """An item as answered."""
    return {
        "id": str(item.id),
        "notification_id": str(item.notification_id),
        "title": item.title,
        "body": item.body,
        "url": item.url,
        "data": item.data,
        "stored_at": rfc3339(item.stored_at),
        "seen_at": rfc3339_or_none(item.seen_at),
        "read_at": rfc3339_or_none(item.read_at),
        "archived_at": rfc3339_or_none(item.archived_at),
    }


_LIST = "inbox"


def encode_position(position: Position) -> str:
    """A position as an opaque cursor, one line of ASCII."""
    return encode_cursor(_LIST, (position.stored_at - _EPOCH) // _MILLISECOND, str(position.id))


def decode_position(text: str, name: str) -> Position:
    """The position of a cursor; raises a 422 `Problem` about the parameter ``name``."""
    milliseconds, item_id = decode_cursor(_LIST, text, int, str, name=name)
    try:
        # Nothing was stored before 1970, and a stream subtracts its overlap.
        return Position(_EPOCH + max(0, milliseconds) * _MILLISECOND, UUID(item_id))
    except (OverflowError, ValueError):
        expected = "expected the id of an event, or an answer's 'next', as it stands"
        raise invalid_parameter(name, expected) from None


def item_frame(item: InboxItem) -> Frame:
    """``event: item`` with the item as its data; its line breaks are escaped by JSON."""
    data = json.dumps(item_document(item), ensure_ascii=False, separators=(",", ":"))
    text = f"event: item\nid: {encode_position(item.position)}\ndata: {data}\n\n"
    return Frame(item.position, text.encode())


def ready_frame(start: datetime) -> bytes:
    """What a stream says first: from where it shows items, and when to come back if it is cut.

    The id lets a client that is cut off before its first item resume from here. The pause differs
    from stream to stream, so that those of a process that ends do not return all at once.
    """
    pause = random.randint(1_000, 5_000)  # noqa: S311 - not a secret
    cursor = encode_position(Position(start, _NO_ID))
    return f"retry: {pause}\nevent: ready\nid: {cursor}\ndata: {{}}\n\n".encode()

"""The routes of the inbox, which a recipient's token opens; see `fogbell_client.calls`."""

from fogbell_client.call import STREAM_TIMEOUT, Call, Id, path, query
from fogbell_client.documents import InboxItem, InboxPage


def inbox(
    *, unread: bool = False, archived: bool = False, page_size: int | None = None
) -> Call[InboxPage]:
    """The recipient's items, newest first.

    ``unread``: only what has not been read. ``archived``: also what was put away.
    """
    given = query(
        unread="true" if unread else None, archived="true" if archived else None, limit=page_size
    )
    return Call("GET", path("inbox"), given)


def mark_seen(item_id: Id) -> Call[InboxItem]:
    """Mark an item seen; repeating it changes nothing."""
    return Call("POST", path("inbox", item_id, "seen"))


def mark_read(item_id: Id) -> Call[InboxItem]:
    """Mark an item read, and seen."""
    return Call("POST", path("inbox", item_id, "read"))


def archive(item_id: Id) -> Call[InboxItem]:
    """Put an item away."""
    return Call("POST", path("inbox", item_id, "archive"))


def stream(last_event_id: str | None = None) -> Call[None]:
    """The live stream; `AsyncInbox.stream` reads it."""
    headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
    if last_event_id is not None:
        headers["Last-Event-ID"] = last_event_id
    return Call("GET", path("inbox", "stream"), headers=headers, timeout=STREAM_TIMEOUT)

"""The body that a receiver reads."""

import json
from datetime import datetime

from fogbell.rendering import RenderedWebhook
from fogbell.views import rfc3339


def webhook_body(rendered: RenderedWebhook, created_at: datetime) -> bytes:
    """``{"type", "timestamp", "data"}`` as compact UTF-8 JSON, as Standard Webhooks recommends.

    ``timestamp`` is when what it tells happened, or else when the delivery was created, RFC 3339 in
    UTC with milliseconds: a retry has the same body, and the time of the attempt is in the
    ``webhook-timestamp`` header. There is no other top-level field, as the message's id is the
    ``webhook-id`` header. Raises ValueError for what JSON or UTF-8 cannot carry (NaN, lone
    surrogates).
    """
    moment = rfc3339(rendered.occurred_at or created_at)
    message = {"type": rendered.type, "timestamp": moment, "data": rendered.data}
    text = json.dumps(message, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode()

"""How notifications and deliveries are answered: the shapes of api.md."""

from fogbell.views import (
    Json,
    delivery,
    links,
    listed_notification,
    notification,
    rfc3339,
)
from fogbell_intake.accepting import Accepted

__all__ = ["Json", "accepted", "delivery", "links", "listed_notification", "notification"]


def accepted(answer: Accepted) -> Json:
    """The answer to a post, the first time and every time after."""
    stored, own = answer.stored, str(answer.notification_id)
    return {
        "id": own,
        "status": stored.status.value,
        "expected": stored.expected,
        "created_at": rfc3339(stored.created_at),
        "links": links(own),
    }

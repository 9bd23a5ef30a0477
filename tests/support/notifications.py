"""Notifications for tests of the store."""

from typing import Any

from fogbell.identity import uuid7
from fogbell.model.notification import Audience, NamedRecipient, Notification, Origin, OriginType
from fogbell.model.status import Channel, Lane

SHOP = Origin(OriginType.API, "shop")


def new_notification(**fields: Any) -> Notification:
    """A notification to Ann by e-mail; ``fields`` replace what it is made of."""
    made: dict[str, Any] = {
        "id": uuid7(),
        "origin": SHOP,
        "channels": (Channel.EMAIL,),
        "lane": Lane.TRANSACTIONAL,
        "audience": Audience(recipients=(NamedRecipient("ann"),)),
    }
    return Notification(**{**made, **fields})

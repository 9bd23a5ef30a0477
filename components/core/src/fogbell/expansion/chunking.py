"""What is leased together: in the bulk lane, the deliveries of one message.

A chunk's token is fresh for each insert: so it is what one insert has stored, never what an
earlier start of the expansion has left behind.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from uuid import UUID

from fogbell.broker.messages import parts
from fogbell.broker.publisher import IDS_A_MESSAGE
from fogbell.model.delivery import Alike, NewDelivery
from fogbell.model.status import Channel, DeliveryStatus, Lane
from fogbell.store.claims import new_token

MOST = IDS_A_MESSAGE[Lane.BULK]
LEAST = 50
"""Fewer are claimed one by one: that costs no more then, and a worker gathers them from several
messages into one batch."""


def chunked(new: Sequence[NewDelivery]) -> list[NewDelivery]:
    """``new``, with the token of its chunk on what is leased so; no chunk mixes channels."""
    pending: dict[Channel, list[UUID]] = {}
    for delivery in new:
        if _leased_so(delivery):
            pending.setdefault(delivery.channel, []).append(delivery.id)
    tokens: dict[UUID | bytes, str] = {}
    for ids in pending.values():
        for part in parts(ids, MOST):
            if (token := _token(part)) is not None:
                tokens |= dict.fromkeys(part, token)
    return [replace(d, chunk=tokens[d.id]) if d.id in tokens else d for d in new]


def chunks_of(alike: Alike) -> Iterator[Alike]:
    """``alike`` in parts, each a chunk with its token where it is leased so."""
    if not _leased_so(alike.pattern):
        yield alike
        return
    for start in range(0, len(alike.ids), MOST):
        ids = alike.ids[start : start + MOST]
        pattern = replace(alike.pattern, chunk=_token(ids))
        yield Alike(pattern, ids, alike.recipients[start : start + MOST])


def _token(part: Sequence[UUID | bytes]) -> str | None:
    return new_token() if len(part) >= LEAST else None


def _leased_so(delivery: NewDelivery) -> bool:
    return (
        delivery.lane is Lane.BULK
        and delivery.status is DeliveryStatus.PENDING
        # A chunk is taken whenever its message comes.
        and delivery.not_before is None
    )

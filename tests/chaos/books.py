"""What the client's side knows: what it asked for, what was accepted, and what must come of it."""

import itertools
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from tests.support.rules import Posted

from fogbell.identity import delivery_id, inline_key, notification_id
from fogbell.model.status import Channel
from fogbell_local.environment import APP

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Probe:
    """A transactional post that asks whether the bell rings: when, and its delivery."""

    asked_at: float
    delivery: UUID


@dataclass
class Books:
    """Everything that was posted. Keys and addresses are never used twice."""

    attempted: set[UUID] = field(default_factory=set)
    accepted: dict[UUID, Posted] = field(default_factory=dict)
    numbers: dict[str, UUID] = field(default_factory=dict)
    """Which delivery a text to a number is: an SMS carries no id."""
    probes: list[Probe] = field(default_factory=list)
    witnessed: dict[UUID, Json] = field(default_factory=dict)
    """Settled records as they were seen on the way: status, time, replays."""
    witnessed_until: datetime | None = None
    """The latest time of those."""
    _count: "itertools.count[int]" = field(default_factory=itertools.count)

    def fresh(self) -> int:
        """A number that nobody else has."""
        return next(self._count)

    def attempt(self, key: str) -> UUID:
        """A post under ``key`` is about to be made; the id that it will have."""
        id_ = notification_id(APP, key)
        self.attempted.add(id_)
        return id_

    def accept(
        self,
        id_: UUID,
        deliveries: Iterable[UUID],
        not_before: datetime | None = None,
        *,
        expanded: bool = False,
    ) -> None:
        """It was answered with 202; its deliveries are written before, or ``expanded`` later."""
        self.accepted[id_] = Posted(
            id_, frozenset(deliveries), not_before=not_before, expanded=expanded
        )  # fmt: skip

    def cancelling(self, id_: UUID) -> None:
        """From now on it may be cancelled."""
        self.accepted[id_] = replace(self.accepted[id_], cancelled=True)

    def witness(self, settled: Mapping[UUID, Json]) -> None:
        """These have settled: only a replay may change them from now on.

        The first that was seen of each replay stays: a later one may have been changed.
        """
        for id_, seen in settled.items():
            before = self.witnessed.get(id_)
            if before is None or before.get("replays", 0) < seen.get("replays", 0):
                self.witnessed[id_] = seen
        times = [seen["settled_at"] for seen in settled.values()]
        self.witnessed_until = max([*times, *filter(None, [self.witnessed_until])], default=None)

    def replaying(self, id_: UUID) -> None:
        """From now on it may be replayed once more."""
        posted = self.accepted[id_]
        self.accepted[id_] = replace(posted, replays=posted.replays + 1)

    def replayed(self, id_: UUID) -> None:
        """It was answered that something of it is put back."""
        posted = self.accepted[id_]
        self.accepted[id_] = replace(posted, replayed=posted.replayed + 1)


def inline(id_: UUID, address: Json) -> UUID:
    """The delivery of ``id_`` to an inline ``address`` of one channel."""
    (channel,) = address
    stored = dict(address)
    if channel == Channel.WEBHOOK:
        stored = {"webhook": {"url": address[channel]["url"], "secrets": []}}
    key = inline_key(json.dumps(stored, sort_keys=True))
    return delivery_id(id_, key, Channel(channel))


def named(id_: UUID, people: Iterable[str], channels: Iterable[Channel]) -> set[UUID]:
    """The deliveries of ``id_`` to ``people`` of the directory."""
    own = tuple(channels)
    return {delivery_id(id_, name, channel) for name in people for channel in own}

"""Telling senders: what has settled becomes callbacks, for a bounded part of each sweep."""

from dataclasses import dataclass
from datetime import timedelta
from time import monotonic
from typing import Protocol

import structlog

from fogbell.broker import Publisher
from fogbell.callbacks import LANE
from fogbell.model.endpoint import EventType
from fogbell.model.status import Channel
from fogbell.store import reporting
from fogbell.store.database import Database
from fogbell.store.transactions import ContendedError
from fogbell.telemetry import traces

log = structlog.get_logger(__name__)

# Deliveries first: of a small notification, the app then mostly hears of its end last.
_ORDER = (EventType.DELIVERY_SETTLED, EventType.NOTIFICATION_SETTLED)


class Observer(Protocol):
    """Told of what is created."""

    def called_back(self, event: EventType, count: int) -> None:
        """``count`` callbacks of ``event`` were created."""


@dataclass(frozen=True, slots=True)
class Reporter:
    """Creates callbacks and wakes the workers for them.

    ``within`` is in seconds, for each kind of event: the next sweep goes on from there. ``grace``
    and ``look_after`` as for what is posted.
    """

    db: Database
    publisher: Publisher
    observer: Observer
    within: float
    grace: timedelta
    look_after: timedelta

    async def report(self) -> int:
        """Create what is due; how many callbacks that made. Safe beside other sweeps."""
        return sum([await self._report(event) for event in _ORDER])

    async def _report(self, event: EventType) -> int:
        ends, made = monotonic() + self.within, 0
        while True:
            try:
                reported = await reporting.report(
                    self.db, event, self.grace, self.look_after, traces.traceparent()
                )
            except ContendedError as error:
                # All else goes on meanwhile: leases end, what is due is released.
                log.warning("reporting_waits", event_type=event.value, error=str(error))
                return made
            if reported.ids:
                # What is not confirmed is the sweep's.
                await self.publisher.publish(Channel.WEBHOOK, LANE, reported.ids)
                self.observer.called_back(event, len(reported.ids))
                made += len(reported.ids)
            if not reported.full or monotonic() > ends:
                return made

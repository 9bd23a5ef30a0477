"""What sweeps count. What they do is kept in MongoDB, where intake shows it (names and labels:
docs/metrics.md): this process may be gone before anybody scrapes it.
"""

from collections import Counter
from typing import Final

from prometheus_client import CollectorRegistry

from fogbell.model.endpoint import EventType
from fogbell.model.status import PUSH_CHANNELS, Channel, Lane
from fogbell.store.sweep_figures import CALLBACKS, PURGED, RELEASED, SETTLED, SWEEPS, UNCLAIMED
from fogbell.telemetry.metrics import ServerMetrics

REASONS: Final = ("publish_lost", "deferred", "retry_due", "lease_expired", "expansion", "replay")
"""Why something goes back to a queue."""


class RetryMetrics:
    """The process's own metrics in a registry, and a tally of what its sweeps did."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self.servers = ServerMetrics(self.registry)
        self._tally = _nothing()

    def released(self, reason: str, count: int) -> None:
        """``count`` went back to a queue for ``reason``."""
        self._tally[RELEASED + reason] += count

    def unclaimed(self, channel: Channel, lane: Lane, count: int) -> None:
        """No worker had claimed ``count`` deliveries of a queue within their grace."""
        self._tally[_queue(channel, lane)] += count

    def called_back(self, event: EventType, count: int) -> None:
        """``count`` callbacks of ``event`` were created."""
        self._tally[CALLBACKS + event.name.lower()] += count

    def swept(self, *, settled: int, purged: int) -> None:
        """A sweep has ended well: so many notifications were settled, so many purged."""
        self._tally[SWEEPS + "done"] += 1
        self._tally[SETTLED] += settled
        self._tally[PURGED] += purged

    def failed(self) -> None:
        """A sweep was given up."""
        self._tally[SWEEPS + "failed"] += 1

    def take(self) -> dict[str, int]:
        """The tally since the last `take`, what is 0 included."""
        taken, self._tally = self._tally, _nothing()
        return dict(taken)


def _queue(channel: Channel, lane: Lane) -> str:
    return f"{UNCLAIMED}{channel.value}_{lane.value}"


def _nothing() -> Counter[str]:
    names = [RELEASED + reason for reason in REASONS]
    names += [_queue(channel, lane) for channel in PUSH_CHANNELS for lane in Lane]
    names += [CALLBACKS + event.name.lower() for event in EventType]
    names += [SWEEPS + "done", SWEEPS + "failed", SETTLED, PURGED]
    return Counter(dict.fromkeys(names, 0))

"""Which delivery tags to acknowledge, and how. Pure.

``multiple`` acknowledges every lower tag of the channel, so only the contiguous finished prefix
may be acknowledged with it (15 k messages/s against 5 k one by one). What finished out of order is
acknowledged by itself: one slow message must not fill the prefetch window with finished ones.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Acks:
    """What to send: ``up_to`` with ``multiple``, then each of ``single``."""

    up_to: int | None
    single: list[int]


@dataclass(slots=True)
class AckTracker:
    """Tags of one channel, which count from 1 without gaps."""

    _frontier: int = 0
    _finished: set[int] = field(default_factory=set)
    _acknowledged: set[int] = field(default_factory=set)

    def finish(self, tag: int) -> None:
        """The message of ``tag`` is recorded, or was none of ours."""
        self._finished.add(tag)

    def settle(self, tag: int) -> None:
        """The message of ``tag`` was answered otherwise (rejected): it holds nothing up."""
        self._acknowledged.add(tag)

    def take(self) -> Acks:
        """Everything finished and not yet acknowledged; counts as acknowledged from now on."""
        up_to: int | None = None
        while (ahead := self._frontier + 1) in self._finished or ahead in self._acknowledged:
            if ahead in self._finished:
                # Never a tag that was acknowledged by itself: the broker does not know it any
                # more, and closes the channel.
                up_to = ahead
            self._finished.discard(ahead)
            self._acknowledged.discard(ahead)
            self._frontier = ahead
        single = sorted(self._finished)
        self._acknowledged.update(single)
        self._finished.clear()
        return Acks(up_to, single)

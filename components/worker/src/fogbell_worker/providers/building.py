"""From configured providers to senders: gates are shared by a process, connections by a lane."""

from collections.abc import Callable, Sequence

from fogbell.model.status import Channel
from fogbell_worker.providers.asking import Route
from fogbell_worker.providers.breaker import BreakerRules
from fogbell_worker.providers.configured import Provided
from fogbell_worker.providers.gate import Gate, OnBreaker, Rate
from fogbell_worker.providers.routing import Patience, RoutedSender, walk_limit

MakeRate = Callable[[str, int, float], Rate]
"""Name, limit and window in seconds to a limit that all replicas share."""


class Providers:
    """Makes the senders of one process. What is known of a provider's health is known to all."""

    def __init__(self, rules: BreakerRules, make_rate: MakeRate, on_breaker: OnBreaker) -> None:
        self._rules = rules
        self._make_rate = make_rate
        self._on_breaker = on_breaker
        self._gates: dict[tuple[Channel, str], Gate] = {}

    def sender(
        self,
        channel: Channel,
        provided: Sequence[Provided],
        *,
        lease: float,
        wait: float,
        waiters: int,
        on_unknown: Callable[[], None] | None = None,
    ) -> RoutedSender:
        """A sender for one lane, with providers and connections of its own."""
        routes = [
            Route(
                each.name,
                each.kind_name,
                each.kind.create(each.settings),
                self._gate(channel, each),
                each.settings.send_timeout,
            )
            for each in provided
        ]
        walk = walk_limit([route.send_timeout for route in routes], lease)
        return RoutedSender(channel, routes, Patience(walk, wait, waiters), on_unknown=on_unknown)

    def _gate(self, channel: Channel, provided: Provided) -> Gate:
        key = channel, provided.name
        if key not in self._gates:
            rate = self._rate(channel, provided)
            self._gates[key] = Gate(channel, provided.name, self._rules, rate, self._on_breaker)
        return self._gates[key]

    def _rate(self, channel: Channel, provided: Provided) -> Rate | None:
        per_second = provided.settings.rate_per_second
        if per_second is None:
            return None
        burst = provided.settings.rate_burst or max(1, round(per_second))
        name = f"provider:{channel.value}:{provided.name}"
        return self._make_rate(name, burst, burst / per_second)

"""Senders over real providers, as a lane has them, and what a test may look at."""

from collections.abc import Callable
from typing import Any

from fogbell.model.outcome import Attempt
from fogbell.model.status import Channel
from fogbell_worker.channels.email.pool import ConnectionPool
from fogbell_worker.channels.push import PushSettings
from fogbell_worker.providers import Provider, ProviderKind, ProviderSettings
from fogbell_worker.providers.breaker import BreakerRules
from fogbell_worker.providers.building import MakeRate, Providers
from fogbell_worker.providers.configured import Provided
from fogbell_worker.providers.gate import OnBreaker
from fogbell_worker.providers.kinds import load_kind
from fogbell_worker.providers.routing import RoutedSender
from fogbell_worker.sending import Work


def provided(
    kind: str,
    settings: ProviderSettings,
    name: str | None = None,
    create: Callable[[Any], Provider[Any]] | None = None,
) -> Provided:
    """One configured provider; ``create`` instead of the kind's own."""
    loaded = load_kind(kind)
    if create is not None:
        loaded = ProviderKind(loaded.channel, loaded.settings, create)
    return Provided(name or kind, kind, loaded, settings)


def no_rate(name: str, limit: int, window_seconds: float) -> Any:
    """For providers that have none."""
    raise AssertionError(f"{name} asked for a rate of {limit} in {window_seconds} s")


def routed(
    channel: Channel,
    *given: Provided,
    rules: BreakerRules | None = None,
    make_rate: MakeRate = no_rate,
    on_breaker: OnBreaker = lambda _channel, _provider, _is_open: None,
    **more: Any,
) -> RoutedSender:
    """A sender of one lane over ``given``; ``more`` are bounds of `Providers.sender`."""
    providers = Providers(rules or BreakerRules(), make_rate, on_breaker)
    bounds: dict[str, Any] = {"lease": 60.0, "wait": 0.0, "waiters": 5} | more
    return providers.sender(channel, given, **bounds)


class Attempting:
    """A sender of which every send has to be an attempt."""

    def __init__(self, sender: RoutedSender) -> None:
        self.sender = sender

    async def send(self, work: Work) -> Attempt:
        sent = await self.sender.send(work)
        assert isinstance(sent, Attempt), sent
        return sent

    async def close(self) -> None:
        await self.sender.close()

    @property
    def first(self) -> Any:
        """The first provider."""
        return self.sender._routes[0].provider

    @property
    def pool(self) -> ConnectionPool:
        """The first relay's."""
        pool = self.first.pool
        assert isinstance(pool, ConnectionPool)
        return pool

    @property
    def compiled(self) -> dict[Any, Any]:
        """The parts that are kept compiled."""
        return self.sender._renderer._compiled


def push_sender(settings: PushSettings) -> Attempting:
    """A sender over every provider of ``settings``."""
    given = [provided(kind, own) for kind, own in settings.providers().items()]
    return Attempting(routed(Channel.PUSH, *given))

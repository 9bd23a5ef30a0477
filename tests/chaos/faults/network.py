"""The network between components and servers: slow, cut with a reset, cut in silence."""

import asyncio
from dataclasses import dataclass, field

from tests.chaos.faults.fault import Fault
from tests.chaos.kinds import Kind
from tests.chaos.proxies import Proxy

LATENCY_MS = 80
"""Each way. MongoDB's majority needs several ways for one write."""

_MONGODB = frozenset({Kind.MONGODB_SLOW, Kind.MONGODB_RESET, Kind.MONGODB_SILENT})


@dataclass
class _OfProxies(Fault):
    """Strikes RabbitMQ's proxy, or the primary's, or those of all of MongoDB."""

    proxies: list[Proxy] = field(default_factory=list)

    async def heal(self) -> None:
        """As if nothing had been."""
        for proxy in self.proxies:
            await asyncio.to_thread(proxy.heal)

    async def _strike(self) -> list[Proxy]:
        servers = self.ground.servers
        if self.planned.kind not in _MONGODB:
            self.proxies = [proxy for proxy in [servers.rabbitmq_proxy] if proxy is not None]
            self.struck = "all connections"
        elif self.planned.pick < 1 / 2:
            primary = await asyncio.to_thread(servers.mongodb.wait_primary)
            self.proxies = [p for p in servers.mongodb_proxies if p.port == primary.port]
            self.struck = "primary"
        else:
            self.proxies, self.struck = list(servers.mongodb_proxies), "all members"
        return self.proxies


class Slow(_OfProxies):
    """Everything takes long."""

    async def start(self) -> None:
        """Hold up what passes."""
        for proxy in await self._strike():
            await asyncio.to_thread(proxy.slow, LATENCY_MS)


class Reset(_OfProxies):
    """Connections are reset, as by a firewall that has forgotten them; new ones, too."""

    async def start(self) -> None:
        """Reset them."""
        for proxy in await self._strike():
            await asyncio.to_thread(proxy.reset)


class Silent(_OfProxies):
    """Packets vanish, as where a node is gone from the network: nobody is told."""

    async def start(self) -> None:
        """Swallow what passes."""
        for proxy in await self._strike():
            await asyncio.to_thread(proxy.silence)

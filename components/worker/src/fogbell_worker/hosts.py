"""How many sends of a lane go to one receiver at once: a slow one must not take every slot."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterable, Iterator
from time import monotonic
from urllib.parse import urlsplit

from fogbell.model.status import Channel
from fogbell_worker.sending import Work

BUSY = "receiver_busy"
"""The reason of what is put back because its receiver has enough to do."""


QUIET = 0.5
"""Seconds without room at any of them after which busy receivers are not waited for any longer."""


class Hosts:
    """Counts sends under way by host and port; at most ``bound`` to each, None for no bound.

    Only webhooks go to hosts that the recipients name; all else enters freely.
    """

    def __init__(self, bound: int | None) -> None:
        self._bound = bound
        self._under_way: Counter[str] = Counter()
        self._left = asyncio.Event()

    def enter(self, work: Work) -> bool:
        """Count ``work`` in, if its receiver has room; then `leave` has to follow."""
        host = self._host(work)
        if host is None:
            return True
        if self._bound is not None and self._under_way[host] >= self._bound:
            return False
        self._under_way[host] += 1
        return True

    def leave(self, work: Work) -> None:
        """Its send has ended, or did not begin."""
        host = self._host(work)
        if host is None:
            return
        self._under_way[host] -= 1
        if not self._under_way[host]:
            del self._under_way[host]
        left, self._left = self._left, asyncio.Event()
        left.set()

    async def departure(self, within: float) -> None:
        """Return when any send has ended, or after ``within`` seconds."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._left.wait(), within)

    def _host(self, work: Work) -> str | None:
        webhook = work.addresses.webhook
        if self._bound is None or webhook is None or work.delivery.channel is not Channel.WEBHOOK:
            return None
        parts = urlsplit(webhook.url)
        port = parts.port or (443 if parts.scheme.lower() == "https" else 80)
        return f"{parts.hostname}:{port}"


class Turns:
    """The works of one batch, each when its receiver has room: those of the others go past it.

    First those whose receivers have room (`at_once`). Once they have begun, it is waited up to
    ``patience`` seconds for receivers that are busy, as long as they go on (`QUIET`). What is then
    ``left`` has to be put back.
    """

    def __init__(self, hosts: Hosts, works: Iterable[Work], patience: float) -> None:
        self._hosts = hosts
        self._works = works
        self._patience = patience
        self._until: float | None = None
        self._moved = 0.0
        self.left: list[Work] = []

    def at_once(self) -> Iterator[Work]:
        """Each that enters without waiting."""
        for work in self._works:
            if self._hosts.enter(work):
                yield work
            else:
                self.left.append(work)

    async def next(self) -> Work | None:
        """The next of the others that has entered, or None."""
        if self._until is None:
            self._moved = monotonic()
            self._until = self._moved + self._patience
        while self.left:
            for place, work in enumerate(self.left):
                if self._hosts.enter(work):
                    self._moved = monotonic()
                    return self.left.pop(place)
            within = min(self._until, self._moved + QUIET) - monotonic()
            if within <= 0:
                break
            await self._hosts.departure(within)
        return None

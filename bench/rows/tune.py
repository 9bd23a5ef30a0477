"""``tune``: the peers' work at many settings; `bench.peers.fleet` has those that did best."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from bench import working
from bench.peers.fleet import PEERS, Peer
from bench.plot import Plot
from bench.sizes import Sizes
from bench.values import Case, Figures, Row

PROCESSES = 2
CONCURRENCIES = {
    "celery-prefork": (1, 2, 4, 8),
    "celery-threads": (4, 8, 16, 32),
    "dramatiq": (4, 8, 16, 32),
    "taskiq": (10, 25, 50, 100),
}


def cases(sizes: Sizes) -> list[Case]:
    """Every peer with two processes, and with several numbers of tasks at once in each."""
    return [
        Case(peer.name, f"{peer.concurrency} at once", partial(_measured, peer, sizes.work_peer))
        for peer in _settings()
    ]


def _settings() -> Iterator[Peer]:
    for peer in PEERS:
        for concurrency in CONCURRENCIES[peer.name]:
            prefetch = 2 * concurrency if peer.name == "taskiq" else peer.prefetch
            yield replace(peer, concurrency=concurrency, prefetch=prefetch)


async def _measured(peer: Peer, count: int, plot: Plot) -> Figures:
    return await working.peer(peer, plot, count, PROCESSES)


ROW = Row(
    name="tune",
    title="the work of the peers with two processes, by how much each does at once",
    figure="rate",
    unit="deliveries/s",
    cases=cases,
    aims=lambda _: [],
    people=lambda sizes: sizes.work_peer,
)

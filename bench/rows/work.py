"""``work``: claim, a send that does nothing, record, acknowledge."""

from functools import partial

from bench import working
from bench.peers.fleet import NAMES, PEERS, Peer
from bench.plot import Plot
from bench.sizes import Sizes
from bench.subject import SHORT_CONTENT
from bench.values import FOGBELL, Aim, Case, Figures, Medians, Row, label, ratio


def cases(sizes: Sizes) -> list[Case]:
    """Fogbell and every peer, with each number of processes."""
    found = [
        Case(FOGBELL, label(n), partial(_fogbell, count=sizes.work, processes=n))
        for n in sizes.workers
    ]
    for peer in PEERS:
        for n in sizes.workers:
            measure = partial(_peer, peer, count=sizes.work_peer, processes=n)
            found.append(Case(peer.name, label(n), measure))
    return found


async def _fogbell(plot: Plot, count: int, processes: int) -> Figures:
    return await working.fogbell(plot, SHORT_CONTENT, count, processes)


async def _peer(peer: Peer, plot: Plot, count: int, processes: int) -> Figures:
    return await working.peer(peer, plot, count, processes)


def aims(medians: Medians) -> list[Aim]:
    """Best whole-machine setting against best whole-machine setting."""
    own, peer = medians.best(FOGBELL, "rate"), medians.best_of(NAMES, "rate")
    return [Aim("work: Fogbell / best peer", ratio(own, peer), "times", least=10)]


ROW = Row(
    name="work",
    title="claim, a send that does nothing, record, acknowledge",
    figure="rate",
    unit="deliveries/s",
    cases=cases,
    aims=aims,
    people=lambda sizes: sizes.work,
)

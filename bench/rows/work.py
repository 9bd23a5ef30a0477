"""``work``: claim, a send that does nothing, record, acknowledge.

Everything is expanded before. Rates are by MongoDB's clock, from the first settled to the last: the
start of processes is left out for everyone.
"""

from functools import partial

from bench import subject
from bench.peers.fleet import NAMES, PEERS, Peer
from bench.plot import Plot
from bench.proof import all_settled, settled_once
from bench.sizes import Sizes
from bench.usage import Usage
from bench.values import FOGBELL, Aim, Case, Figures, Medians, Row, ratio


def cases(sizes: Sizes) -> list[Case]:
    """Fogbell and every peer, with each number of processes."""
    found = [
        Case(FOGBELL, label(n), partial(_fogbell, count=sizes.work, processes=n), n)
        for n in sizes.workers
    ]
    for peer in PEERS:
        for n in sizes.workers:
            measure = partial(_peer, peer, count=sizes.work_peer, processes=n)
            found.append(Case(peer.name, label(n), measure, n))
    return found


def label(processes: int) -> str:
    """The setting of so many processes."""
    return "1 process" if processes == 1 else f"{processes} processes"


async def _fogbell(plot: Plot, count: int, processes: int) -> Figures:
    component, _ = await subject.start_runner(plot, subject.SHORT_CONTENT)
    await subject.ended(component)
    before = plot.server_usage()
    workers = await subject.start_workers(plot, processes, **subject.NOOP)
    programs = [worker.program for worker in workers]
    await all_settled(plot, programs)
    span = await settled_once(plot, count)
    used = [Usage.of(program.pid) for program in programs]
    return {
        "rate": span.rate,
        "rate_per_process": span.rate / processes,
        "seconds": span.seconds,
        "cpu_own": sum(u.cpu for u in used),
        "peak_mb": max(u.peak for u in used) / 1e6,
        **plot.used_since(before),
    }


async def _peer(peer: Peer, plot: Plot, count: int, processes: int) -> Figures:
    place = await peer.place(plot)
    await peer.expand(plot, place, count)
    before = plot.server_usage()
    programs = await peer.start(plot, place, processes)
    await all_settled(plot, programs)
    span = await settled_once(plot, count)
    used = [Usage.of(program.pid) for program in programs]
    return {
        "rate": span.rate,
        "rate_per_process": span.rate / processes,
        "seconds": span.seconds,
        "cpu_own": sum(u.cpu for u in used),
        "peak_mb": sum(u.peak for u in used) / 1e6,
        **plot.used_since(before),
    }


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

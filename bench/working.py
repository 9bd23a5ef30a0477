"""Working off what was expanded before: what the rows ``work`` and ``e-mail`` have in common.

Rates are by MongoDB's clock, from the first settled to the last: the start of processes is left
out for everyone.
"""

from bench import subject
from bench.peers.fleet import Peer
from bench.plot import Plot
from bench.postfix import Sink
from bench.proof import all_settled, settled_once
from bench.subject import NOOP, Json
from bench.usage import Usage
from bench.values import Figures
from fogbell_local.processes import Program


async def fogbell(
    plot: Plot, content: Json, count: int, processes: int, sink: Sink | None = None
) -> Figures:
    """Workers on a campaign's run; without a ``sink`` the sends do nothing."""
    runner, _ = await subject.start_runner(plot, content)
    await subject.ended(runner)
    before = plot.server_usage()
    settings = NOOP if sink is None else {"smtp_url": sink.url}
    workers = await subject.start_workers(plot, processes, **settings)
    programs = [worker.program for worker in workers]
    figures = await _figures(plot, programs, count, processes, sink)
    return figures | plot.used_since(before)


async def peer(
    system: Peer, plot: Plot, count: int, processes: int, sink: Sink | None = None
) -> Figures:
    """The same of a peer."""
    place = await system.place(plot, sink.port if sink else 0)
    await system.expand(plot, place, count)
    before = plot.server_usage()
    programs = await system.start(plot, place, processes)
    figures = await _figures(plot, programs, count, processes, sink)
    return figures | plot.used_since(before)


async def _figures(
    plot: Plot, programs: list[Program], count: int, processes: int, sink: Sink | None
) -> dict[str, float]:
    """Wait, hold all to account, and look at what it took. ``peak_mb`` is of all processes."""
    await all_settled(plot, programs)
    span = await settled_once(plot, count)
    used = [Usage.of(program.pid) for program in programs]
    figures = {
        "rate": span.rate,
        "rate_per_process": span.rate / processes,
        "seconds": span.seconds,
        "cpu_own": sum(u.cpu for u in used),
        "peak_mb": sum(u.peak for u in used) / 1e6,
    }
    if sink is not None:
        await sink.took(count)
        figures["cpu_sink"] = Usage.of(sink.program.pid).cpu
    return figures

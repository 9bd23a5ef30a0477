"""``machine``: a whole campaign on the whole machine, from the runner's start to the last record.

MongoDB, RabbitMQ, the runner, the workers and smtp-sink share its cores.
"""

from functools import partial

from bench import postfix, subject
from bench.content import MAIL
from bench.plot import Plot
from bench.proof import all_settled, settled_once
from bench.sizes import Sizes
from bench.usage import Usage
from bench.values import FOGBELL, Aim, Case, Figures, Medians, Row

MAILER = 14_000.0
"""Mails a second of the fastest open campaign mailer on a machine of this kind, without records."""

LARGEST_PROCESS_MB = 150.0


def cases(sizes: Sizes) -> list[Case]:
    """Fogbell with several numbers of workers."""
    return [
        Case(FOGBELL, f"{n} workers", partial(_campaign, count=sizes.machine, workers=n))
        for n in sizes.machine_workers
    ]


async def _campaign(plot: Plot, count: int, workers: int) -> Figures:
    sink = await postfix.start_sink(plot)
    found = await subject.start_workers(plot, workers, smtp_url=sink.url, FOGBELL_LANES="bulk")
    programs = [worker.program for worker in found]
    before = plot.server_usage()
    idle = sum(Usage.of(program.pid).cpu for program in programs)
    runner, _ = await subject.start_runner(plot, MAIL)
    peak, expanded = await _runner_ended(runner)
    await all_settled(plot, programs, within=900)
    span = await settled_once(plot, count)
    await sink.took(count)
    used = [Usage.of(program.pid) for program in programs]
    seconds = span.last.timestamp() - runner.started
    return {
        "rate": count / seconds,
        "seconds": seconds,
        "seconds_expanding": expanded - runner.started,
        "cpu_workers": sum(u.cpu for u in used) - idle,
        "cpu_sink": Usage.of(sink.program.pid).cpu,
        "worker_peak_mb": max(u.peak for u in used) / 1e6,
        "runner_peak_mb": peak / 1e6,
        **plot.used_since(before),
    }


async def _runner_ended(runner: subject.Component) -> tuple[int, float]:
    """Its peak of memory in bytes, and when it ended."""
    watch = subject.Watch(runner)
    await watch.ended()
    return watch.peak, watch.at


def aims(medians: Medians) -> list[Aim]:
    """Half of the mailer's rate first, then more than it; flat memory."""
    rate = medians.best(FOGBELL, "rate")
    peaks = [
        medians.best(FOGBELL, name, least=True) for name in ("worker_peak_mb", "runner_peak_mb")
    ]
    known = [peak for peak in peaks if peak is not None]
    peak = max(known) if known else None
    return [
        Aim("machine: half the mailer's rate", rate, "mails/s", least=MAILER / 2),
        Aim("machine: the mailer's rate", rate, "mails/s", least=MAILER),
        Aim("machine: largest process", peak, "MB", most=LARGEST_PROCESS_MB),
    ]


ROW = Row(
    name="machine",
    title="a campaign, from the runner's start to the last record, all parts on this machine",
    figure="rate",
    unit="mails/s",
    cases=cases,
    aims=aims,
    people=lambda sizes: sizes.machine,
    prepare=postfix.provide,
)

"""``accept``: posts with one recipient, at several concurrencies; how many, and how long each.

The handler that Fogbell is compared with is what a team would write first. Both are measured with
one process and with two, for there are two cores. After the load a worker settles what Fogbell has
accepted: each post was one delivery.
"""

from collections.abc import Sequence
from functools import partial

from bench import subject
from bench.http import load, milliseconds, post
from bench.peers import documents
from bench.peers.place import Place
from bench.people import recipient_id
from bench.plot import Plot, python
from bench.proof import ProofError, all_settled, listens, settled_once, until
from bench.sizes import Sizes
from bench.subject import HEADERS, NOOP, SHORT_CONTENT, Component
from bench.usage import Usage
from bench.values import FOGBELL, Aim, Case, Figures, Medians, Row, label, ratio
from fogbell_local.processes import Program
from fogbell_local.servers.ports import free_ports

HANDLER = "starlette+motor"
PEOPLE = 1000
WARM_UP = 50
"""Posts before those that are measured, until all is connected and warm."""


def cases(sizes: Sizes) -> list[Case]:
    """Both, at each concurrency, with each number of processes that can make a difference."""
    found = []
    for concurrency, posts, handler_posts in sizes.accept:
        for processes in sizes.intakes:
            if processes > concurrency:
                continue
            named = setting(concurrency, processes)
            for system, measure, count in (
                (FOGBELL, _fogbell, posts),
                (HANDLER, _handler, handler_posts),
            ):
                called = partial(measure, posts=count, concurrency=concurrency, processes=processes)
                found.append(Case(system, named, called))
    return found


def setting(concurrency: int, processes: int = 1) -> str:
    """How a concurrency is called, and a number of processes beyond one."""
    of_one = f"concurrency {concurrency}"
    return of_one if processes == 1 else f"{of_one}, {label(processes)}"


async def _fogbell(plot: Plot, posts: int, concurrency: int, processes: int) -> Figures:
    started = [await subject.start_intake(plot) for _ in range(processes)]
    for intake, port in started:
        await warmed(plot, intake, port, concurrency)
    programs = [intake.program for intake, _ in started]
    figures = await _measured(plot, programs, [port for _, port in started], posts, concurrency)
    figures["peak_mb"] = max(Usage.of(program.pid).peak for program in programs) / 1e6
    (worker,) = await subject.start_workers(plot, 1, **NOOP)
    await all_settled(plot, [worker.program])
    await settled_once(plot, posts)
    return figures


async def warmed(plot: Plot, intake: Component, port: int, concurrency: int) -> None:
    """Post until it publishes; none of that is left."""
    while True:
        await load([port], requests(WARM_UP), min(concurrency, WARM_UP), expected=202)
        if await subject.confirms(intake):
            break
    await plot.db.deliveries.delete_many({})
    await plot.db.notifications.delete_many({})


async def _handler(plot: Plot, posts: int, concurrency: int, processes: int) -> Figures:
    await plot.db.deliveries.drop()
    await plot.db.deliveries.create_indexes([documents.DUE])
    ports = free_ports(processes)
    programs = [await _start_handler(plot, port) for port in ports]
    for port in ports:
        await load([port], requests(WARM_UP), min(concurrency, WARM_UP), expected=202)
    figures = await _measured(plot, programs, ports, posts, concurrency)
    stored = await plot.db.deliveries.count_documents({"status": "pending"})
    expected = posts + processes * WARM_UP
    if stored != expected:
        raise ProofError(f"expected {expected} deliveries, not {stored}")
    return figures


async def _start_handler(plot: Plot, port: int) -> Program:
    place = Place(plot.mongodb, plot.rabbitmq, plot.database, plot.queue)
    command = python(
        "-m", "uvicorn", "bench.peers.handler:app", f"--port={port}", "--no-access-log"
    )
    program = await plot.start("handler", command, place.environment())
    await until(lambda: listens(port), [program])
    return program


async def _measured(
    plot: Plot, programs: Sequence[Program], ports: Sequence[int], posts: int, concurrency: int
) -> dict[str, float]:
    before, own = plot.server_usage(), _used(programs)
    result = await load(ports, requests(posts), concurrency, expected=202)
    return {
        "rate": result.rate,
        "rate_per_process": result.rate / len(ports),
        "seconds": result.seconds,
        **milliseconds(result.latencies),
        "cpu_own": _used(programs) - own,
        **plot.used_since(before),
    }


def _used(programs: Sequence[Program]) -> float:
    return sum(Usage.of(program.pid).cpu for program in programs)


def requests(count: int) -> list[bytes]:
    """Posts to one person each, of the directory."""
    return [
        post(
            "/v1/notifications",
            {
                "audience": {"recipients": [recipient_id(number % PEOPLE)]},
                "channels": ["email"],
                "content": SHORT_CONTENT,
            },
            HEADERS,
        )
        for number in range(count)
    ]


def aims(medians: Medians) -> list[Aim]:
    """Many times the handler's where many post at once, no slower where one does.

    Each system at its best number of processes: both have the same two cores.
    """
    found = []
    for concurrency in (32, 256):
        rates = [_best(medians, system, concurrency) for system in (FOGBELL, HANDLER)]
        name = f"accept: Fogbell / plain handler at {concurrency}"
        found.append(Aim(name, ratio(*rates), "times", least=5))
    halves = [medians.get(s, setting(1), "p50_ms") for s in (FOGBELL, HANDLER)]
    found.append(
        Aim("accept: p50 of Fogbell / of the handler at 1", ratio(*halves), "times", most=1)
    )
    return found


def _best(medians: Medians, system: str, concurrency: int) -> float | None:
    """The highest rate over the numbers of processes."""
    alike = setting(concurrency)
    named = [s for s in medians.settings(system) if s == alike or s.startswith(f"{alike}, ")]
    rates = [medians.get(system, name, "rate") for name in named]
    return max((rate for rate in rates if rate is not None), default=None)


ROW = Row(
    name="accept",
    title="posts with one recipient, answered once they are on disk",
    figure="rate",
    unit="posts/s",
    cases=cases,
    aims=aims,
    people=lambda _: PEOPLE,
)

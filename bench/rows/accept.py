"""``accept``: posts with one recipient, at several concurrencies; how many, and how long each.

The handler that Fogbell is compared with is what a team would write first. After the load a worker
settles what Fogbell has accepted: each post was one delivery.
"""

from functools import partial

from bench import subject
from bench.http import Load, load, milliseconds, post
from bench.peers import documents
from bench.peers.place import Place
from bench.people import recipient_id
from bench.plot import Plot, python
from bench.proof import ProofError, all_settled, listens, settled_once, until
from bench.sizes import Sizes
from bench.subject import HEADERS, NOOP, SHORT_CONTENT, Component
from bench.usage import Usage
from bench.values import FOGBELL, Aim, Case, Figures, Medians, Row, ratio
from fogbell_local.servers.ports import free_ports

HANDLER = "starlette+motor"
PEOPLE = 1000
WARM_UP = 50
"""Posts before those that are measured, until all is connected and warm."""


def cases(sizes: Sizes) -> list[Case]:
    """Both, at each concurrency."""
    found = []
    for concurrency, posts in sizes.accept:
        for system, measure in ((FOGBELL, _fogbell), (HANDLER, _handler)):
            called = partial(measure, posts=posts, concurrency=concurrency)
            found.append(Case(system, setting(concurrency), called))
    return found


def setting(concurrency: int) -> str:
    """How a concurrency is called."""
    return f"concurrency {concurrency}"


async def _fogbell(plot: Plot, posts: int, concurrency: int) -> Figures:
    intake, port = await subject.start_intake(plot)
    await warmed(plot, intake, port, concurrency)
    before = plot.server_usage()
    result = await load(port, requests(posts), concurrency, expected=202)
    figures = _figures(result, plot, before)
    figures["peak_mb"] = Usage.of(intake.program.pid).peak / 1e6
    (worker,) = await subject.start_workers(plot, 1, **NOOP)
    await all_settled(plot, [worker.program])
    await settled_once(plot, posts)
    return figures


async def warmed(plot: Plot, intake: Component, port: int, concurrency: int) -> None:
    """Post until it publishes; none of that is left."""
    while True:
        await load(port, requests(WARM_UP), min(concurrency, WARM_UP), expected=202)
        if await subject.confirms(intake):
            break
    await plot.db.deliveries.delete_many({})
    await plot.db.notifications.delete_many({})


async def _handler(plot: Plot, posts: int, concurrency: int) -> Figures:
    await plot.db.deliveries.drop()
    await plot.db.deliveries.create_indexes([documents.DUE])
    (port,) = free_ports(1)
    place = Place(plot.mongodb, plot.rabbitmq, plot.database, plot.queue)
    command = python(
        "-m", "uvicorn", "bench.peers.handler:app", f"--port={port}", "--no-access-log"
    )
    program = await plot.start("handler", command, place.environment())
    await until(lambda: listens(port), [program])
    await load(port, requests(WARM_UP), min(concurrency, WARM_UP), expected=202)
    before = plot.server_usage()
    result = await load(port, requests(posts), concurrency, expected=202)
    figures = _figures(result, plot, before)
    stored = await plot.db.deliveries.count_documents({"status": "pending"})
    if stored != posts + WARM_UP:
        raise ProofError(f"expected {posts + WARM_UP} deliveries, not {stored}")
    return figures


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


def _figures(result: Load, plot: Plot, before: dict[str, float]) -> dict[str, float]:
    return {
        "rate": result.rate,
        "seconds": result.seconds,
        **milliseconds(result.latencies),
        **plot.used_since(before),
    }


def aims(medians: Medians) -> list[Aim]:
    """Many times the handler's where many post at once, no slower where one does."""
    found = []
    for concurrency in (32, 256):
        rates = [medians.get(s, setting(concurrency), "rate") for s in (FOGBELL, HANDLER)]
        name = f"accept: Fogbell / plain handler at {concurrency}"
        found.append(Aim(name, ratio(*rates), "times", least=5))
    halves = [medians.get(s, setting(1), "p50_ms") for s in (FOGBELL, HANDLER)]
    found.append(
        Aim("accept: p50 of Fogbell / of the handler at 1", ratio(*halves), "times", most=1)
    )
    return found


ROW = Row(
    name="accept",
    title="posts with one recipient, answered once they are on disk",
    figure="rate",
    unit="posts/s",
    cases=cases,
    aims=aims,
    people=lambda _: PEOPLE,
)

"""``python -m bench.peers.expand SYSTEM START END``: a record and a message for each of a share of
the recipients. Prints when it began and ended, in seconds since the epoch.
"""

import asyncio
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import uvloop

from bench.peers.records import records

NOTIFICATION = "bench"
PUBLISHERS = 8
"""Threads that publish, each over a connection of its own: they wait for confirmations, one by
one, since neither Celery nor Dramatiq offers to wait for many at once."""


def main() -> None:
    """Expand, and say how long it took."""
    system, share = sys.argv[1], range(int(sys.argv[2]), int(sys.argv[3]))
    began, ended = uvloop.run(_taskiq(share)) if system == "taskiq" else _threads(system, share)
    print(f"expanded {began} {ended}")


def _threads(system: str, share: range) -> tuple[float, float]:
    publish = _publish_celery() if system == "celery" else _publish_dramatiq()
    with ThreadPoolExecutor(PUBLISHERS) as pool:
        began = time.time()
        for ids in records().expand(share, NOTIFICATION):
            list(pool.map(publish, _parts(ids)))
        return began, time.time()


def _parts(ids: list[str]) -> list[list[str]]:
    """One part for each publisher."""
    return [ids[start::PUBLISHERS] for start in range(PUBLISHERS)]


def _publish_celery() -> Callable[[list[str]], None]:
    from bench.peers.with_celery import app, deliver

    def publish(ids: list[str]) -> None:
        with app.producer_pool.acquire(block=True) as producer:
            for id_ in ids:
                deliver.apply_async((id_,), producer=producer)

    return publish


def _publish_dramatiq() -> Callable[[list[str]], None]:
    from bench.peers.with_dramatiq import deliver

    def publish(ids: list[str]) -> None:
        for id_ in ids:
            deliver.send(id_)

    return publish


async def _taskiq(share: range) -> tuple[float, float]:
    """aio-pika confirms many at once, so a page is published together."""
    from bench.peers import with_taskiq

    await with_taskiq.broker.startup()
    began = time.time()
    async for ids in with_taskiq.records().expand(share, NOTIFICATION):
        await asyncio.gather(*(with_taskiq.deliver.kiq(id_) for id_ in ids))
    ended = time.time()
    await with_taskiq.broker.shutdown()
    return began, ended


if __name__ == "__main__":
    main()

"""``expand``: from an audience in MongoDB to pending deliveries that are published.

Fogbell's runner makes a campaign's run. Each peer's program reads the same recipients, inserts
pages of records, and publishes a message for each. ``insert`` is a bare `insert_many` of the very
documents that the runner inserts, into the same indexes: what is left when all else is free.
"""

import asyncio
import time
from datetime import timedelta
from functools import partial

import pymongo

from bench import subject
from bench.peers.documents import DURABLE, Document
from bench.peers.fleet import PEERS, PUBLISHERS, Peer
from bench.plot import Plot
from bench.proof import ProofError
from bench.sizes import Sizes
from bench.values import FOGBELL, Aim, Case, Figures, Medians, Row, label, ratio
from fogbell.expansion.expander import PAGE
from fogbell.expansion.plan import Contents, Planner, person_of_recipient
from fogbell.store import notifications, recipients
from fogbell.store.deliveries import delivery_document

INSERT = "insert"
IN_FLIGHT = (1, 3)
"""Pages inserted at once: one after the other, and as many as the expansion has in flight."""


def cases(sizes: Sizes) -> list[Case]:
    """Fogbell, the bare insert, and each peer's publisher."""
    found = [Case(FOGBELL, "1 process", _fogbell)]
    found += [Case(INSERT, f"{n} at once", partial(_insert, at_once=n)) for n in IN_FLIGHT]
    publishers = {peer.publisher: peer for peer in PEERS}
    for name in PUBLISHERS:
        for count in sizes.workers:
            measure = partial(_peer, publishers[name], sizes.expand_peer, count)
            found.append(Case(name, label(count), measure))
    return found


async def _fogbell(plot: Plot) -> Figures:
    before = plot.server_usage()
    component, run = await subject.start_runner(plot, subject.SHORT_CONTENT)
    await subject.ended(component)
    stored = await notifications.get(plot.db, run)
    if stored is None or stored.expanded_at is None or stored.created_at is None:
        raise ProofError("the run was not expanded")
    people = await plot.db.recipients.estimated_document_count()
    await _inserted(plot, people)
    seconds = (stored.expanded_at - stored.created_at).total_seconds()
    return {"rate": people / seconds, "seconds": seconds, **plot.used_since(before)}


async def _insert(plot: Plot, at_once: int) -> Figures:
    pages = await _pages(plot)
    client = pymongo.MongoClient[Document](plot.mongodb, uuidRepresentation="standard")
    deliveries = client[plot.database].get_collection("deliveries", write_concern=DURABLE)
    waiting = asyncio.Semaphore(at_once)

    async def one(page: list[Document]) -> None:
        async with waiting:
            await asyncio.to_thread(deliveries.insert_many, page, ordered=False)

    before, began = plot.server_usage(), time.monotonic()
    await asyncio.gather(*(one(page) for page in pages))
    seconds = time.monotonic() - began
    client.close()
    count = sum(map(len, pages))
    await _inserted(plot, count)
    return {"rate": count / seconds, "seconds": seconds, **plot.used_since(before)}


async def _pages(plot: Plot) -> list[list[Document]]:
    """What an expansion to everyone inserts, in its pages."""
    planner = Planner(Contents(subject.run_notification(plot.db.clock.now()), None))
    pages: list[list[Document]] = []
    after: str | None = None
    while found := await recipients.walk(plot.db, everyone=True, after=after, limit=PAGE):
        after = found[-1].id
        new = await planner.deliveries([person_of_recipient(r) for r in found])
        now = plot.db.clock.now()
        pages.append([delivery_document(d, now, timedelta(seconds=30)) for d in new])
    return pages


async def _peer(peer: Peer, count: int, processes: int, plot: Plot) -> Figures:
    place = await peer.place(plot)
    before = plot.server_usage()
    seconds = await peer.expand(plot, place, count, processes)
    await _inserted(plot, count)
    return {"rate": count / seconds, "seconds": seconds, **plot.used_since(before)}


async def _inserted(plot: Plot, expected: int) -> None:
    """Raises ProofError unless each recipient has one record, which is pending."""
    found = await plot.db.deliveries.count_documents({"status": "pending"})
    distinct = len(await plot.db.deliveries.distinct("recipient_id")) if found < 100_000 else found
    if (found, distinct) != (expected, expected):
        raise ProofError(f"expected {expected} pending deliveries, not {found} of {distinct}")


def aims(medians: Medians) -> list[Aim]:
    """Against the best peer, and against the bare insert."""
    own, peer = medians.best(FOGBELL, "rate"), medians.best_of(PUBLISHERS, "rate")
    bare = medians.best(INSERT, "rate")
    return [
        Aim("expand: Fogbell / best peer", ratio(own, peer), "times", least=10),
        Aim("expand: Fogbell / bare insert_many", ratio(own, bare), "times", least=0.8),
    ]


ROW = Row(
    name="expand",
    title="an audience in MongoDB to pending deliveries, published",
    figure="rate",
    unit="deliveries/s",
    cases=cases,
    aims=aims,
    people=lambda sizes: sizes.expand,
)

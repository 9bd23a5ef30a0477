"""Lookups of recipients against a real MongoDB: one for all that wait, each answered alone."""

import asyncio

import pytest
import structlog
from tests.support.profiling import profiled
from tests.support.spans import spans_kept

from fogbell.model.recipient import Recipient
from fogbell.store import recipients
from fogbell.store.database import Database, StoreUnavailableError
from fogbell.telemetry import traces
from fogbell.telemetry.lineage import Lineage
from fogbell_intake import directory
from fogbell_intake.directory import Directory
from fogbell_local.servers import MongoServer


async def _people(db: Database, *names: str) -> None:
    await recipients.put_many(db, [Recipient(id=name) for name in names])


async def test_a_lone_post_is_told_who_exists(db: Database) -> None:
    await _people(db, "ann", "bob")
    found = await Directory(db).read(["ann", "eve"])
    assert found["ann"].id == "ann"
    assert "eve" not in found


async def test_a_lookup_for_several_is_of_no_single_request(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = list[object]()

    async def read_many(*_: object) -> dict[str, Recipient]:
        seen.append((structlog.contextvars.get_contextvars(), traces.here()))
        return {}

    monkeypatch.setattr(recipients, "read_many", read_many)
    with (
        spans_kept(),
        structlog.contextvars.bound_contextvars(request_id="first"),
        traces.span("first", Lineage()),
    ):
        await Directory(db).read(["ann"])
    assert seen == [({}, None)]


async def test_posts_that_come_together_share_a_lookup(db: Database) -> None:
    names = [f"r{n}" for n in range(50)]
    await _people(db, *names)
    shared = Directory(db)
    async with profiled(db, db.recipients) as entries:
        answers = await asyncio.gather(*(shared.read([name]) for name in names))
    assert all(name in found for name, found in zip(names, answers, strict=True))
    assert len(entries) == 1


async def test_posts_that_come_during_a_lookup_share_the_next_one(db: Database) -> None:
    await _people(db, "ann")
    shared = Directory(db)
    async with profiled(db, db.recipients) as entries:
        first = asyncio.create_task(shared.read(["ann"]))
        await asyncio.sleep(0)
        await asyncio.sleep(0)  # the first is under way: its reader took it
        later = [asyncio.create_task(shared.read(["ann", "bob"])) for _ in range(20)]
        answers = await asyncio.gather(first, *later)
    assert all("ann" in found and "bob" not in found for found in answers)
    assert len(entries) == 2


async def test_it_has_caught_up_once_the_query_under_way_is_answered(db: Database) -> None:
    await _people(db, "ann")
    shared = Directory(db)
    await shared.caught_up()
    first = asyncio.create_task(shared.read(["ann"]))
    await asyncio.sleep(0)
    await asyncio.sleep(0)  # the first is under way: its reader took it
    second = asyncio.create_task(shared.read(["ann"]))
    await asyncio.sleep(0)
    assert shared.asking == 1
    await shared.caught_up()
    assert (first.done(), second.done()) == (True, False), "a queue of them may take seconds"
    await second
    assert shared.asking == 0


async def test_whoever_was_put_before_a_post_is_found_though_a_lookup_is_under_way(
    db: Database,
) -> None:
    shared = Directory(db)
    for n in range(20):
        under_way = asyncio.create_task(shared.read([f"r{n}"]))
        await asyncio.sleep(0)
        await _people(db, f"r{n}")
        assert f"r{n}" in await shared.read([f"r{n}"])
        await under_way


async def test_a_lookup_asks_for_a_bounded_number_of_people(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory, "MOST_IDS", 50)
    asked = [[f"r{post}-{n}" for n in range(size)] for post, size in enumerate((30, 30, 5, 70, 1))]
    await _people(db, *(name for names in asked for name in names))
    shared = Directory(db)
    async with profiled(db, db.recipients) as entries:
        answers = await asyncio.gather(*(shared.read(names) for names in asked))
    assert all(set(names) <= set(found) for names, found in zip(asked, answers, strict=True))
    # A single post may ask for more than the bound, but then it asks alone.
    assert [entry["nreturned"] for entry in entries] == [30, 35, 70, 1]


async def test_whoever_goes_away_takes_the_answer_from_nobody(db: Database) -> None:
    await _people(db, "ann")
    shared = Directory(db)
    posts = [asyncio.create_task(shared.read(["ann"])) for _ in range(3)]
    await asyncio.sleep(0)
    posts[0].cancel()
    ends = await asyncio.gather(*posts, return_exceptions=True)
    assert isinstance(ends[0], asyncio.CancelledError)
    assert all(isinstance(found, dict) and "ann" in found for found in ends[1:])


async def test_a_record_that_cannot_be_read_costs_those_alone_who_ask_for_it(db: Database) -> None:
    await _people(db, "ann", "bob")
    await db.recipients.insert_one({"_id": "broken"})
    shared = Directory(db)
    ends = await asyncio.gather(
        *(shared.read([name]) for name in ("ann", "broken", "bob")), return_exceptions=True
    )
    assert isinstance(ends[1], KeyError)
    assert [isinstance(end, dict) for end in ends] == [True, False, True]


async def test_without_mongodb_every_post_that_waits_is_refused_and_later_ones_are_answered(
    own_mongo: MongoServer,
) -> None:
    db = Database(own_mongo.uri, "lookups")
    await _people(db, "ann")
    shared = Directory(db)
    await asyncio.to_thread(own_mongo.kill)
    first = asyncio.create_task(shared.read(["ann"]))
    await asyncio.sleep(0.1)
    posts = [asyncio.create_task(shared.read(["ann"])) for _ in range(20)]
    ends = await asyncio.gather(first, *posts, return_exceptions=True)
    assert {type(end) for end in ends} == {StoreUnavailableError}
    await asyncio.to_thread(own_mongo.restart)
    assert "ann" in await shared.read(["ann"])
    db.close()

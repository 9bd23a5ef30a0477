"""Group commit against a real MongoDB: every post stored whole and once, and its workers woken."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest
from tests.support.accepters import accepting_for, new_post
from tests.support.broker import publishing, queues_of, waiting_in
from tests.support.profiling import profiled
from tests.support.transactions import held
from tests.support.waiting import eventually

from fogbell.broker import Topology
from fogbell.model.notification import Audience
from fogbell.model.status import Channel, Lane, NotificationStatus
from fogbell.store import notifications
from fogbell.store.database import Database, StoreUnavailableError
from fogbell.store.notifications import Accept, accept_document
from fogbell_intake import accepting
from fogbell_intake.accepting import Accepted, Accepter, request_hash
from fogbell_local.servers import MongoServer


async def _all(accepter: Accepter, posts: list[Accept], *, keyed: bool = False) -> list[Accepted]:
    return await asyncio.gather(*(accepter.accept(post, keyed=keyed) for post in posts))


async def _stored(db: Database) -> tuple[int, int]:
    return (
        await db.notifications.count_documents({}),
        await db.deliveries.count_documents({}),
    )


async def test_a_lone_post_is_stored_with_its_deliveries_when_it_is_answered(db: Database) -> None:
    post = new_post(db, people=3)
    async with accepting_for(db) as accepter:
        answer = await accepter.accept(post, keyed=False)
        assert await _stored(db) == (1, 3)
    assert (answer.notification_id, answer.replayed) == (post.notification.id, False)
    assert (answer.stored.expected, answer.stored.status) == (3, NotificationStatus.SENDING)


async def test_posts_that_come_during_a_commit_are_committed_together(db: Database) -> None:
    posts = [new_post(db, people=2) for _ in range(100)]
    async with accepting_for(db) as accepter, profiled(db, db.notifications) as entries:
        answers = await _all(accepter, posts)
    assert len({answer.notification_id for answer in answers}) == 100
    assert await _stored(db) == (100, 200)
    commits = [entry["ninserted"] for entry in entries if entry["op"] == "insert"]
    assert sum(commits) == 100
    assert len(commits) <= 3


class _Coming:
    """``asking`` posts that come once they are let."""

    def __init__(self, asking: int) -> None:
        self.asking = asking
        self.waited = asyncio.Event()
        self.here = asyncio.Event()

    async def caught_up(self) -> None:
        self.waited.set()
        await self.here.wait()
        self.asking = 0


async def test_a_few_posts_wait_for_more_that_are_being_looked_up(db: Database) -> None:
    coming = _Coming(2)
    async with (
        accepting_for(db, coming=coming) as accepter,
        profiled(db, db.notifications) as entries,
    ):
        first = asyncio.create_task(accepter.accept(new_post(db), keyed=False))
        await coming.waited.wait()
        others = asyncio.create_task(_all(accepter, [new_post(db), new_post(db)]))
        await asyncio.sleep(0)
        coming.here.set()
        await asyncio.gather(first, others)
    assert [entry["ninserted"] for entry in entries if entry["op"] == "insert"] == [3]


async def test_posts_wait_for_no_more_than_they_are_themselves(db: Database) -> None:
    coming = _Coming(1)
    async with accepting_for(db, coming=coming) as accepter:
        await accepter.accept(new_post(db), keyed=False)
    assert not coming.waited.is_set()


async def test_a_commit_has_a_bounded_number_of_deliveries(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accepting, "MOST_DELIVERIES", 50)
    async with accepting_for(db) as accepter, profiled(db, db.deliveries) as entries:
        await _all(accepter, [new_post(db, people=n) for n in (30, 30, 5, 70, 1)])
    assert await _stored(db) == (5, 136)
    sizes = [entry["ninserted"] for entry in entries if entry["op"] == "insert"]
    # A single post may be larger than the bound, but then it goes alone.
    assert all(size <= 50 or size == 70 for size in sizes)


async def test_twins_are_stored_once_and_answered_alike(db: Database) -> None:
    posts = [new_post(db, key="twin") for _ in range(20)]
    async with accepting_for(db) as accepter:
        answers = await _all(accepter, posts, keyed=True)
        later = await accepter.accept(new_post(db, key="twin"), keyed=True)
    assert await _stored(db) == (1, 1)
    assert sum(not answer.replayed for answer in answers) == 1
    assert {answer.stored for answer in (*answers, later)} == {answers[0].stored}
    assert later.replayed


async def test_a_twin_with_another_body_is_told_so(db: Database) -> None:
    posts = [new_post(db, key="twin", body=body) for body in ("first", "second", "first")]
    async with accepting_for(db) as accepter:
        answers = await _all(accepter, posts, keyed=True)
    matches = [a.matches(p.notification.request_hash) for a, p in zip(answers, posts, strict=True)]
    assert matches == [True, False, True]
    assert [answer.replayed for answer in answers] == [False, True, True]


async def test_a_twin_in_another_process_costs_its_group_nothing(db: Database) -> None:
    async with accepting_for(db) as one, accepting_for(db) as other:
        for lap in range(5):
            shared = [new_post(db, key=f"shared {lap}") for _ in range(2)]
            groups = [[*(new_post(db) for _ in range(10)), mine] for mine in shared]
            answers = await asyncio.gather(
                _all(one, groups[0], keyed=True), _all(other, groups[1], keyed=True)
            )
            ends = [answer[-1] for answer in answers]
            assert sum(answer.replayed for answer in ends) == 1
            assert ends[0].stored == ends[1].stored
            assert not any(answer.replayed for group in answers for answer in group[:-1])
    assert await _stored(db) == (5 * 21, 5 * 21)


async def test_one_conflict_costs_its_group_a_few_commits_and_not_one_each(db: Database) -> None:
    """Without a key no look-up answers it: it is tried until it is given up, the others once."""
    stored = new_post(db)
    posts = [stored if n == 37 else new_post(db) for n in range(64)]
    async with accepting_for(db) as accepter:
        await accepter.accept(stored, keyed=False)
        async with profiled(db, db.notifications) as entries:
            answers = await asyncio.gather(
                *(accepter.accept(post, keyed=False) for post in posts), return_exceptions=True
            )
    assert [n for n, a in enumerate(answers) if isinstance(a, StoreUnavailableError)] == [37]
    assert await _stored(db) == (64, 64)
    commits = sum(entry["op"] == "insert" for entry in entries)
    # Two halves at each of six steps, the whole, and the tries alone.
    assert commits <= 2 * 6 + 1 + accepting.ALONE_TRIES


async def test_what_two_processes_want_at_once_is_stored_by_one_of_them(db: Database) -> None:
    """Write conflicts abort whole transactions; each is then tried by itself."""
    async with accepting_for(db) as one, accepting_for(db) as other:
        keys = [f"both {n}" for n in range(30)]
        first, second = await asyncio.gather(
            _all(one, [new_post(db, key=key) for key in keys], keyed=True),
            _all(other, [new_post(db, key=key) for key in reversed(keys)], keyed=True),
        )
    assert await _stored(db) == (30, 30)
    for mine, theirs in zip(first, reversed(second), strict=True):
        assert mine.replayed != theirs.replayed
        assert mine.stored == theirs.stored


@pytest.mark.parametrize("people", [0, 2], ids=["to be expanded", "with deliveries"])
async def test_what_a_killed_process_holds_keeps_up_no_other_post(
    db: Database, people: int
) -> None:
    """Its transaction is there for a minute, and its client repeats the post meanwhile."""
    repeated = new_post(db, people, key="half stored")
    others = [new_post(db) for _ in range(20)]
    async with accepting_for(db) as accepter:
        async with held(db, db.notifications, accept_document(repeated)), asyncio.timeout(5):
            answers = await asyncio.gather(
                *(accepter.accept(post, keyed=True) for post in (repeated, *others)),
                return_exceptions=True,
            )
        refused = [a for a in answers if isinstance(a, BaseException)]
        assert [type(error) for error in refused] == [StoreUnavailableError]
        assert isinstance(answers[0], StoreUnavailableError)
        await accepter.accept(repeated, keyed=True)
    assert await _stored(db) == (21, 20 + people)


async def test_without_mongodb_every_post_that_waits_is_refused_and_later_ones_are_stored(
    own_mongo: MongoServer,
) -> None:
    db = Database(own_mongo.uri, "accepter")
    async with accepting_for(db) as accepter:
        await accepter.accept(new_post(db), keyed=False)
        await asyncio.to_thread(own_mongo.kill)
        posts = [new_post(db, key=f"k{n}", people=2) for n in range(20)]
        answers = await asyncio.gather(
            *(accepter.accept(post, keyed=True) for post in posts), return_exceptions=True
        )
        assert {type(answer) for answer in answers} == {StoreUnavailableError}
        await asyncio.to_thread(own_mongo.restart)
        again = await _all(accepter, posts, keyed=True)
        assert not any(answer.replayed for answer in again)
        assert await _stored(db) == (21, 41)
    db.close()


async def test_a_post_whose_caller_has_gone_before_its_commit_is_not_stored(db: Database) -> None:
    async with accepting_for(db) as accepter:
        tasks = [asyncio.create_task(accepter.accept(new_post(db), keyed=False)) for _ in range(3)]
        await asyncio.sleep(0)
        tasks[1].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert await _stored(db) == (2, 2)


async def test_too_many_that_wait_are_refused_at_once(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accepting, "MOST_WAITING", 10)
    async with accepting_for(db) as accepter:
        answers = await asyncio.gather(
            *(accepter.accept(new_post(db), keyed=False) for _ in range(15)), return_exceptions=True
        )
        refused = [a for a in answers if isinstance(a, StoreUnavailableError)]
        assert len(refused) == 5
        await accepter.accept(new_post(db), keyed=False)
    assert await _stored(db) == (11, 11)


async def test_a_defect_refuses_its_group_and_the_next_one_is_stored(db: Database) -> None:
    broken = new_post(db, metadata={"half a pair": "\ud800"})
    async with accepting_for(db) as accepter:
        with pytest.raises(UnicodeEncodeError):
            await accepter.accept(broken, keyed=False)
        await accepter.accept(new_post(db), keyed=False)
    assert await _stored(db) == (1, 1)


async def test_a_close_stores_what_waits(db: Database) -> None:
    async with accepting_for(db) as accepter:
        waiting = [
            asyncio.create_task(accepter.accept(new_post(db), keyed=False)) for _ in range(5)
        ]
        await asyncio.sleep(0)
    assert len(await asyncio.gather(*waiting)) == 5
    assert await _stored(db) == (5, 5)


async def test_workers_are_woken_by_channel_and_lane_once_it_is_stored(
    db: Database, rabbit_uri: str, topology_prefix: str
) -> None:
    now = db.clock.now()
    later = {"expanded_at": None, "expected": None, "audience": Audience(groups=("crew",))}
    async with (
        queues_of(rabbit_uri, Topology(topology_prefix)) as topology,
        publishing(rabbit_uri, topology) as publisher,
        accepting_for(db, publisher) as accepter,
    ):
        await accepter.accept(new_post(db, people=40), keyed=False)
        await accepter.accept(new_post(db, people=3, lane=Lane.BULK), keyed=False)
        await accepter.accept(new_post(db, people=0, lane=Lane.BULK, **later), keyed=False)
        in_an_hour = now + timedelta(hours=1)
        await accepter.accept(new_post(db, people=0, **later, send_at=in_an_hour), keyed=False)

        async def woken() -> bool:
            lanes = [topology.queue(Channel.EMAIL, lane) for lane in Lane]
            depths = [await waiting_in(rabbit_uri, q) for q in (*lanes, topology.expansion)]
            # Up to 32 ids a transactional message; what is scheduled wakes nobody yet.
            assert depths == [2, 1, 1]
            return True

        await eventually(woken)


async def test_an_unknown_id_has_no_stored_answer(db: Database) -> None:
    assert await notifications.stored(db, [uuid4()]) == {}


def test_the_hash_is_of_the_value_and_not_of_its_spelling() -> None:
    assert request_hash({"a": 1, "b": ["é", None]}) == request_hash({"b": ["é", None], "a": 1})
    assert request_hash({"a": 1}) != request_hash({"a": "1"})
    assert request_hash({"a": [1, 2]}) != request_hash({"a": [2, 1]})

"""The directory against a real MongoDB."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from tests.support.profiling import profiled

from fogbell.model.recipient import Recipient
from fogbell.model.status import Channel
from fogbell.store import recipients
from fogbell.store.database import Database

ANN = Recipient.model_validate(
    {
        "id": "ann",
        "addresses": {
            "email": "ann@example.org",
            "sms": "+31612345678",
            "push": [
                {"provider": "fcm", "token": "t"},
                {"provider": "web", "url": "https://p.example/"},
            ],
            "webhook": {"url": "https://x.example/hook", "secrets": ["whsec_new", "whsec_old"]},
            "apprise": {"url": "tgram://1:a/2"},
        },
        "locale": "de-AT",
        "time_zone": "Europe/Vienna",
        "groups": ["vip", "all"],
        "attributes": {"plan": "pro", "seats": 5, "tags": ["a"], "nested": {"x": None}},
    }
)


def person(name: str, *groups: str, **attributes: Any) -> Recipient:
    return Recipient(id=name, groups=list(groups), attributes=attributes)


async def everyone(db: Database, **query: Any) -> list[str]:
    """A whole scan, in pages of two."""
    names: list[str] = []
    after: str | None = None
    while True:
        found, after = await recipients.scan(db, after=after, limit=2, **query)
        names += [r.id for r in found]
        if after is None:
            return names


async def test_a_recipient_is_read_as_it_was_put(db: Database) -> None:
    assert await recipients.put(db, ANN) is True
    read = await recipients.get(db, "ann")
    assert read == ANN
    assert read is not None
    assert read.model_dump(mode="json") == ANN.model_dump(mode="json")
    assert read.model_dump(exclude_unset=True).keys() == ANN.model_dump().keys()


async def test_a_recipient_without_anything_is_read_as_it_was_put(db: Database) -> None:
    bare = Recipient(id="bare")
    await recipients.put(db, bare)
    assert await recipients.get(db, "bare") == bare


async def test_putting_again_replaces_everything(db: Database) -> None:
    await recipients.put(db, ANN)
    assert await recipients.put(db, Recipient(id="ann", locale="en")) is False
    assert await recipients.get(db, "ann") == Recipient(id="ann", locale="en")


async def test_deleting_tells_whether_there_was_anybody(db: Database) -> None:
    await recipients.put(db, ANN)
    assert await recipients.delete(db, "ann") is True
    assert await recipients.delete(db, "ann") is False
    assert await recipients.get(db, "ann") is None


async def test_of_several_with_one_id_in_a_batch_the_last_stands(db: Database) -> None:
    versions = [person("ann", version=n) for n in range(5)]
    await recipients.put_many(db, [*versions, person("bob")])
    await recipients.put_many(db, [])
    read = await recipients.read_many(db, ["ann", "bob", "eve"])
    assert read == {"ann": versions[-1], "bob": person("bob")}


async def test_a_batch_may_be_repeated(db: Database) -> None:
    people = [person(f"u{n}", n=n) for n in range(50)]
    await recipients.put_many(db, people)
    await recipients.put_many(db, people)
    assert await db.recipients.count_documents({}) == 50


async def test_batches_that_meet_over_new_ids_all_succeed(db: Database) -> None:
    people = [person(f"u{n:02}", n=n) for n in range(50)]
    await asyncio.gather(*(recipients.put_many(db, people) for _ in range(8)))
    read = await recipients.read_many(db, [p.id for p in people])
    assert sorted(read.values(), key=lambda r: r.id) == people


async def test_unknown_names_who_is_missing_from_the_id_index_alone(db: Database) -> None:
    await recipients.put_many(db, [person("ann"), person("bob")])
    assert await recipients.unknown(db, ["ann", "eve", "bob", "eve", "zoe"]) == {"eve", "zoe"}
    assert await recipients.unknown(db, []) == set()
    plan = await db.recipients.find({"_id": {"$in": ["ann", "eve"]}}, {"_id": True}).explain()
    assert plan["executionStats"]["totalDocsExamined"] == 0


async def test_a_walk_goes_through_groups_in_order_and_names_nobody_twice(db: Database) -> None:
    await recipients.put_many(
        db,
        [person("a", "g"), person("b", "h"), person("c", "g", "h"), person("d"), person("e", "g")],
    )
    assert await everyone(db, groups=["g"]) == ["a", "c", "e"]
    assert await everyone(db, groups=["g", "h"]) == ["a", "b", "c", "e"]
    assert await everyone(db, groups=["nobody"]) == []
    assert await everyone(db, everyone=True) == ["a", "b", "c", "d", "e"]
    assert await everyone(db, everyone=True, groups=["g"]) == ["a", "b", "c", "d", "e"]


async def test_an_empty_query_means_nobody(db: Database) -> None:
    await recipients.put(db, ANN)
    assert await recipients.walk(db) == []
    assert await recipients.scan(db, groups=[], match={}) == ([], None)


async def test_groups_are_walked_by_their_index_without_sorting(db: Database) -> None:
    people = [person(f"u{n:03}", "g" if n % 10 else "h", f"x{n % 2}") for n in range(200)]
    await recipients.put_many(db, people)
    for groups, examined in ((["h"], 5), (["h", "g", "x0"], 5 * 2 + 3)):
        async with profiled(db, db.recipients) as seen:
            found = await recipients.walk(db, groups=groups, after="u100", limit=5)
        assert len(found) == 5
        assert "hasSortStage" not in seen[0]
        assert seen[0]["docsExamined"] <= examined


async def test_a_scan_for_the_few_that_match_is_bounded_and_goes_on(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a directory of millions, a query for one of them would outlast its limit."""
    monkeypatch.setattr(recipients, "SCAN", 50)
    people = [person(f"u{n:03}", *(["g"] if n % 2 else []), n=n) for n in range(230)]
    await recipients.put_many(db, people)
    for query, queries in (({}, 5), ({"groups": ["g", "none"]}, 3)):
        async with profiled(db, db.recipients) as seen:
            assert await everyone(db, match={"n": 229}, **query) == ["u229"]
        finds = [e for e in seen if e["op"] == "query"]
        assert len(finds) == 2 * queries
        assert max(e["docsExamined"] for e in finds) <= 50
        assert max(e["keysExamined"] for e in finds) <= 50 + 5
        # The ends of the windows come from the index alone.
        assert sum(e["docsExamined"] for e in finds) <= 230


async def test_a_full_page_goes_on_behind_its_last_recipient(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recipients, "SCAN", 3)
    await recipients.put_many(db, [person(f"u{n}", n=n) for n in range(7)])
    assert await everyone(db, match={"n": {"gte": 0}}) == [f"u{n}" for n in range(7)]
    assert await everyone(db, match={"n": {"in": [0, 5]}}) == ["u0", "u5"]


MATCHES: list[tuple[Mapping[str, Any], str]] = [
    ({"country": "NL"}, "ae"),
    ({"country": {"eq": "NL"}}, "ae"),
    ({"country": {"ne": "NL"}}, "bcd"),
    ({"country": {"in": ["NL", "DE"]}}, "abe"),
    ({"country": None}, "cd"),
    ({"country": {"exists": True}}, "abe"),
    ({"country": {"exists": False}}, "cd"),
    ({"seats": {"gt": 5}}, "b"),
    ({"seats": {"gte": 5}}, "ab"),
    ({"seats": {"lt": 5}}, "c"),
    ({"seats": {"lte": 5, "gt": 1.5}}, "ac"),
    ({"since": {"gte": "2026-01-01"}}, "b"),
    ({"seats": {"gt": "1"}}, ""),
    ({"tags": "red"}, "d"),
    ({"vip": True}, "c"),
    ({"country": "NL", "seats": {"gte": 5}}, "a"),
]


@pytest.mark.parametrize(("match", "expected"), MATCHES, ids=[str(m) for m, _ in MATCHES])
async def test_match_means_what_the_interface_says(
    db: Database, match: Mapping[str, Any], expected: str
) -> None:
    await recipients.put_many(
        db,
        [
            person("a", country="NL", seats=5, since="2025-12-31"),
            person("b", country="DE", seats=50, since="2026-01-01"),
            person("c", seats=2, vip=True),
            person("d", tags=["red", "blue"]),
            person("e", country="NL"),
        ],
    )
    assert await everyone(db, match=match) == list(expected)


async def test_groups_and_match_must_both_hold(db: Database) -> None:
    await recipients.put_many(db, [person("a", "g", x=1), person("b", "g", x=2), person("c", x=1)])
    assert await everyone(db, groups=["g"], match={"x": 1}) == ["a"]


@pytest.mark.parametrize(
    "match",
    [
        {"$where": "1"},
        {"a.b": 1},
        {"": 1},
        {"a": {"$gt": 1}},
        {"a": {"regex": "x"}},
        {"a": {}},
        {"a": [1]},
        {"a": {"eq": {"$ne": 1}}},
        {"a": {"in": []}},
        {"a": {"in": [{"$gt": 1}]}},
        {"a": {"gt": True}},
        {"a": {"gt": None}},
        {"a": {"exists": "yes"}},
    ],
)
async def test_no_operator_of_mongodb_can_be_brought_in(db: Database, match: Any) -> None:
    with pytest.raises(ValueError, match="validation error"):
        await recipients.scan(db, match=match)


async def test_who_has_no_address_is_the_same_by_reach_as_by_the_whole_recipient(
    db: Database,
) -> None:
    mail = Recipient.model_validate({"id": "mail", "addresses": {"email": "m@example.org"}})
    await recipients.put_many(db, [ANN, mail, person("none", "all"), person("other", plan="pro")])
    channels = [channel for channel in Channel if channel is not Channel.INBOX]
    for query in ({"everyone": True}, {"groups": ["all"]}, {"match": {"plan": "pro"}}, {}):
        asked: dict[str, Any] = dict(query)
        whole = await recipients.scan(db, limit=3, **asked)
        reach, reached = await recipients.scan_reach(db, channels, limit=3, **asked)
        assert (reach.ids, reached) == ([r.id for r in whole.found], whole.reached)
        assert reach.without == {
            c: {r.id for r in whole.found if not r.addresses.has(c)} for c in channels
        }


async def test_a_page_of_the_directory_is_one_answer(db: Database) -> None:
    """The driver's first batch has 101, whatever the limit."""
    await recipients.put_many(db, [person(f"u{n:03}") for n in range(150)])
    async with profiled(db, db.recipients) as seen:
        await recipients.scan_reach(db, [Channel.EMAIL], everyone=True, limit=150)
    assert [(e["op"], e["nreturned"]) for e in seen] == [("query", 150)]

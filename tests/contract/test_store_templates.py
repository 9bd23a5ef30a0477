"""Templates against a real MongoDB."""

import asyncio

from tests.support.profiling import profiled

from fogbell.model.content import Template
from fogbell.store import templates
from fogbell.store.database import Database


def template(subject: str, name: str = "welcome") -> Template:
    return Template.model_validate(
        {
            "name": name,
            "version": 1,
            "default_locale": "en",
            "topic": "orders",
            "sample_data": {"order": None, "lines": [{"a": 1}]},
            "locales": {
                "en": {
                    "email": {"subject": subject, "text": "t", "from": "a@example.org"},
                    "webhook": {"type": "x", "data": {"n": None, "s": "{{ data.order }}"}},
                },
                "de-AT": {"email": {"subject": "Hallo", "html": "<p>"}},
            },
        }
    )


async def test_a_template_is_read_as_it_was_put(db: Database) -> None:
    stored, new = await templates.put_version(db, template("Hi"))
    assert new
    assert stored == template("Hi")
    assert await templates.get_latest(db, "welcome") == stored
    assert await templates.get_pinned(db, "welcome", 1) == stored


async def test_other_content_makes_another_version_and_keeps_the_old(db: Database) -> None:
    for number, subject in enumerate(["Hi", "Hello", "Hi"], start=1):
        stored, new = await templates.put_version(db, template(subject))
        assert (stored.version, new) == (number, True)
    first = await templates.get(db, "welcome", 1)
    assert first is not None
    assert first.locales["en"].email is not None
    assert first.locales["en"].email.subject == "Hi"
    latest = await templates.get(db, "welcome", None)
    assert latest is not None
    assert latest.version == 3


async def test_the_same_content_makes_no_version(db: Database) -> None:
    await templates.put_version(db, template("Hi"))
    stored, new = await templates.put_version(db, template("Hi"))
    assert (stored.version, new) == (1, False)
    assert await db.templates.count_documents({}) == 1


async def test_versions_put_at_once_are_distinct_and_without_gaps(db: Database) -> None:
    puts = await asyncio.gather(
        *(templates.put_version(db, template(f"Hi {n}")) for n in range(20))
    )
    assert sorted(stored.version for stored, _ in puts) == list(range(1, 21))
    for stored, new in puts:
        assert new
        assert await templates.get_pinned(db, "welcome", stored.version) == stored


async def test_the_same_content_put_at_once_makes_one_version(db: Database) -> None:
    puts = await asyncio.gather(*(templates.put_version(db, template("Hi")) for _ in range(10)))
    assert {stored.version for stored, _ in puts} == {1}
    assert sum(new for _, new in puts) == 1


async def test_names_do_not_run_into_each_other(db: Database) -> None:
    for name in ("a", "aa", "a.b", "b"):
        await templates.put_version(db, template(f"of {name}", name))
    for name in ("a", "aa", "a.b", "b"):
        stored = await templates.get_latest(db, name)
        assert stored is not None
        assert (stored.name, stored.version) == (name, 1)


async def test_the_eleventh_version_is_newer_than_the_ninth(db: Database) -> None:
    for number in range(1, 12):
        await templates.put_version(db, template(f"Hi {number}"))
    latest = await templates.get_latest(db, "welcome")
    assert latest is not None
    assert latest.version == 11


async def test_what_is_not_there_is_none(db: Database) -> None:
    await templates.put_version(db, template("Hi"))
    assert await templates.get_latest(db, "nothing") is None
    assert await templates.get_pinned(db, "welcome", 2) is None
    assert await templates.get_pinned(db, "welcome", 0) is None


async def test_a_page_has_the_latest_version_of_each_name_in_order(db: Database) -> None:
    for name, versions in {"b": 3, "a": 1, "b.c": 12, "ab": 2}.items():
        for number in range(versions):
            await templates.put_version(db, template(f"Hi {number}", name))
    first = await templates.page(db, limit=3)
    assert [(t.name, t.version) for t in first] == [("a", 1), ("ab", 2), ("b", 3)]
    (last,) = await templates.page(db, after="b", limit=3)
    assert (last.name, last.version, last.locales) == ("b.c", 12, ("en", "de-AT"))
    assert (last.default_locale, last.topic) == ("en", "orders")
    assert await templates.page(db, after="b.c", limit=3) == []


async def test_a_page_of_templates_reads_those_that_it_shows_and_no_others(db: Database) -> None:
    for number in range(40):
        await templates.put_version(db, template(f"Hi {number}"))
    await templates.put_version(db, template("Hi", "other"))
    async with profiled(db, db.templates) as seen:
        await templates.page(db, limit=50)
    assert [entry["docsExamined"] for entry in seen] == [0, 2]

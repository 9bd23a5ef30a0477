"""The inbox live: what a stream shows, to whom, and from where it resumes."""

import asyncio
from datetime import timedelta

from structlog.testing import capture_logs
from tests.support.inbox import announce, restamp, store_history, store_items
from tests.support.inbox_intake import Intake, code
from tests.support.listening import STREAM, listening
from tests.support.waiting import eventually

SECOND = timedelta(seconds=1)


async def test_a_stream_shows_an_item_as_soon_as_it_is_announced(intake: Intake, ann: str) -> None:
    async with listening(intake.browser, intake.token(ann)) as stream:
        await intake.tell(ann, "hello")
        await stream.shows("hello")
        assert stream.items == (await intake.get(ann)).json()["items"]
        assert stream.response.headers["content-type"].startswith("text/event-stream")
        assert stream.response.headers["x-accel-buffering"] == "no"


async def test_a_stream_starts_with_what_was_stored_while_it_was_opened(
    intake: Intake, ann: str
) -> None:
    """Within the overlap: who lists first and opens then misses nothing in between."""
    await store_items(intake.db, ann, ["just before"])
    (old,) = await store_items(intake.db, ann, ["long before"])
    await restamp(intake.db, old, intake.db.clock.now() - 60 * SECOND)
    async with listening(intake.browser, intake.token(ann)) as stream:
        await stream.shows("just before")


async def test_a_burst_is_shown_whole_and_nothing_twice(intake: Intake, ann: str) -> None:
    titles = [f"t{n}" for n in range(200)]
    async with listening(intake.browser, intake.token(ann)) as stream:
        await asyncio.gather(*(intake.tell(ann, title) for title in titles))
        await stream.shows(*titles)
        intake.hub.resumed()
        await intake.tell(ann, "last")
        await stream.shows(*titles, "last")


async def test_every_stream_of_a_recipient_shows_every_item(intake: Intake, ann: str) -> None:
    token = intake.token(ann)
    async with listening(intake.browser, token) as one, listening(intake.browser, token) as other:
        await intake.tell(ann, "hello")
        await one.shows("hello")
        await other.shows("hello")


async def test_resuming_misses_nothing(intake: Intake, ann: str) -> None:
    """More than a page was stored meanwhile, and more comes while it is read."""
    async with listening(intake.browser, intake.token(ann)) as before:
        await intake.tell(ann, "first")
        await before.shows("first")
        last_id = before.last_id
    missed = [f"m{n}" for n in range(120)]
    await store_items(intake.db, ann, missed)
    async with listening(intake.browser, intake.token(ann), last_event_id=last_id) as after:
        await intake.tell(ann, "live")
        # The overlap repeats the first; clients drop what they know.
        await after.shows("first", *missed, "live")


async def test_a_stream_that_showed_nothing_resumes_from_where_it_was_ready(
    intake: Intake, ann: str
) -> None:
    async with listening(intake.browser, intake.token(ann)) as before:
        last_id = before.last_id
    (item,) = await store_items(intake.db, ann, ["missed"])
    async with listening(intake.browser, intake.token(ann), last_event_id=last_id) as after:
        await after.shows("missed")
    assert str(item) in {shown["id"] for shown in after.items}


async def test_an_old_id_brings_everything_since(intake: Intake, ann: str) -> None:
    now = intake.db.clock.now()
    await store_history(intake.db, ann, "abcdef", now, timedelta(hours=1))
    page = (await intake.get(ann, limit=4)).json()
    query = {"token": intake.token(ann), "last_event_id": page["next"]}
    async with intake.browser.stream("GET", STREAM, params=query) as response:
        text = ""
        async for chunk in response.aiter_text():
            text += chunk
            if '"title":"f"' in text:
                break
    assert [t for t in "abcdef" if f'"title":"{t}"' in text] == list("cdef")


async def test_a_wrong_last_event_id_is_refused_rather_than_forgotten(
    intake: Intake, ann: str
) -> None:
    headers = {"Authorization": f"Bearer {intake.token(ann)}", "Last-Event-ID": "nonsense"}
    answer = await intake.client.get(STREAM, headers=headers)
    assert code(answer) == (422, "invalid-parameter")


async def test_other_recipients_items_never_appear_on_a_stream(
    intake: Intake, ann: str, bob: str
) -> None:
    """Not even where an event names the wrong recipient."""
    async with listening(intake.browser, intake.token(ann)) as stream:
        bobs = await store_items(intake.db, bob, ["secret"])
        await announce(intake.publisher, ann, bobs)
        await announce(intake.publisher, bob, bobs)
        await intake.tell(ann, "mine")
        await stream.shows("mine")
        intake.hub.resumed()
        await intake.tell(ann, "mine too")
        await stream.shows("mine", "mine too")


async def test_what_was_missed_while_the_broker_was_away_is_shown_when_it_is_back(
    intake: Intake, ann: str
) -> None:
    async with listening(intake.browser, intake.token(ann)) as stream:
        await store_items(intake.db, ann, ["unannounced"])
        intake.hub.resumed()
        await stream.shows("unannounced")


async def test_the_token_in_the_query_is_in_no_log(intake: Intake, ann: str) -> None:
    token = intake.token(ann)
    with capture_logs() as lines:
        async with intake.browser.stream("GET", STREAM, params={"token": token}) as response:
            assert response.status_code == 200
        await eventually(lambda: [line for line in lines if line.get("status") == 200])
    assert token not in repr(lines)
    assert ann not in repr(lines)


async def test_only_the_stream_takes_the_token_in_the_query(intake: Intake, ann: str) -> None:
    answer = await intake.client.get("/v1/inbox", params={"token": intake.token(ann)})
    assert code(answer) == (401, "invalid-token")


async def test_a_stream_ends_with_its_token_and_says_so(intake: Intake, ann: str) -> None:
    async with listening(intake.browser, intake.token(ann, 5 * SECOND)) as stream:
        await asyncio.wait_for(stream.done, 20)
        assert stream.events[-1].name == "expired"


async def test_a_client_that_goes_leaves_nothing_behind(intake: Intake, ann: str) -> None:
    open_before = len(intake.hub)
    async with listening(intake.browser, intake.token(ann)):
        assert len(intake.hub) == open_before + 1
        assert _gauge(intake) == open_before + 1
    await eventually(lambda: len(intake.hub) == open_before)
    assert _gauge(intake) == open_before


def _gauge(intake: Intake) -> float | None:
    value: float | None = intake.app.state.metrics.registry.get_sample_value(
        "fogbell_inbox_streams"
    )
    return value


async def test_asking_for_the_head_of_a_stream_opens_none(intake: Intake, ann: str) -> None:
    headers = {"Authorization": f"Bearer {intake.token(ann)}"}
    answer = await intake.client.head(STREAM, headers=headers)
    assert answer.status_code == 200

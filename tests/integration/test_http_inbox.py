"""The inbox over HTTP: served by uvicorn, with a real MongoDB and a real RabbitMQ behind it."""

import asyncio
import contextlib
import re
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic
from typing import Any

import httpx2
import pytest
from pydantic import SecretStr
from starlette.applications import Starlette
from structlog.testing import capture_logs
from tests.support.inbox import announce, restamp, store_history, store_items
from tests.support.intake import TOKEN_SECRET, intake_settings, serving
from tests.support.listening import STREAM, listening
from tests.support.queues import delete_queues
from tests.support.waiting import eventually

from fogbell.broker import Publisher, Topology
from fogbell.identity import recipient_hash
from fogbell.model.recipient import Recipient
from fogbell.store import recipients
from fogbell.store.database import Database
from fogbell_intake.app import create_app
from fogbell_intake.hub import Hub
from fogbell_intake.tokens import TokenSigner
from fogbell_local.servers import MongoServer

SECOND = timedelta(seconds=1)
SHOP = "https://shop.example.org"


@dataclass
class Intake:
    """``client`` holds an API key; ``browser`` holds nothing."""

    app: Starlette
    client: httpx2.AsyncClient
    browser: httpx2.AsyncClient

    @property
    def db(self) -> Database:
        database: Database = self.app.state.database
        return database

    @property
    def hub(self) -> Hub:
        hub: Hub = self.app.state.hub
        return hub

    @property
    def publisher(self) -> Publisher:
        publisher: Publisher = self.app.state.publisher
        return publisher

    def token(self, recipient: str, lifetime: timedelta = timedelta(hours=1)) -> str:
        signer = TokenSigner(SecretStr(TOKEN_SECRET), lifetime)
        return signer.issue(recipient, self.db.clock.now())[0]

    async def get(self, recipient: str, **query: Any) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {self.token(recipient)}"}
        return await self.client.get("/v1/inbox", headers=headers, params=query)

    async def mark(self, recipient: str, item: object, what: str) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {self.token(recipient)}"}
        return await self.client.post(f"/v1/inbox/{item}/{what}", headers=headers)

    async def tell(self, recipient: str, *titles: str) -> None:
        """Store items and announce them, as the expansion does."""
        await announce(self.publisher, recipient, await store_items(self.db, recipient, titles))


@dataclass(frozen=True)
class Place:
    """What the intakes of this file share, as replicas do."""

    mongo_uri: str
    rabbit_uri: str
    name: str

    @contextlib.asynccontextmanager
    async def intake(self, **inbox: Any) -> AsyncIterator[Intake]:
        settings = intake_settings(
            self.mongo_uri,
            self.name,
            self.rabbit_uri,
            rabbitmq={"uri": self.rabbit_uri, "prefix": f"{self.name}."},
            # So long that nothing here passes because a stop has lost its patience.
            http={"host": "127.0.0.1", "port": 0, "shutdown_seconds": 60},
            inbox={"cors_origins": [SHOP]} | inbox,
        )
        app = create_app(settings)
        async with serving(settings, app=app) as client:
            await app.state.prepared.wait()
            await app.state.publisher.wait_connected()
            await app.state.listener.listening.wait()
            async with httpx2.AsyncClient(base_url=client.base_url, trust_env=False) as browser:
                yield Intake(app, client, browser)

    async def clear_broker(self) -> None:
        topology = Topology(f"{self.name}.")
        queues = [queue.removeprefix(topology.prefix) for queue in topology.queues()]
        await delete_queues(self.rabbit_uri, topology.prefix, queues)


@pytest.fixture(scope="module")
async def place(mongo_uri: str, rabbit_uri: str) -> AsyncIterator[Place]:
    shared = Place(mongo_uri, rabbit_uri, f"t{uuid.uuid4().hex[:12]}")
    yield shared
    database = Database(mongo_uri, shared.name)
    await database.client.drop_database(shared.name)
    database.close()
    await shared.clear_broker()


@pytest.fixture(scope="module")
async def intake(place: Place) -> AsyncIterator[Intake]:
    """One intake for all tests of this file, each with recipients of its own."""
    async with place.intake() as started:
        yield started


@pytest.fixture(scope="module")
async def impatient(place: Place) -> AsyncIterator[Intake]:
    """A replica whose every limit is low."""
    async with place.intake(
        poll_seconds=0.3,
        heartbeat_seconds=0.1,
        write_timeout_seconds=1,
        queue_bytes=2_000,
        max_streams_per_recipient=2,
    ) as started:
        yield started


@pytest.fixture
def ann() -> str:
    """A recipient that only this test has."""
    return f"ann-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def bob() -> str:
    return f"bob-{uuid.uuid4().hex[:8]}"


def code(response: httpx2.Response) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


# Tokens


async def test_an_app_makes_a_token_that_opens_the_recipients_inbox(
    intake: Intake, ann: str
) -> None:
    await recipients.put(intake.db, Recipient(id=ann))
    await store_items(intake.db, ann, ["hello"])
    made = await intake.client.post(f"/v1/recipients/{ann}/tokens")
    assert made.status_code == 201
    token = made.json()["token"]
    assert token.startswith("fbi_")
    assert set(made.json()) == {"token", "expires_at"}
    opened = await intake.client.get("/v1/inbox", headers={"Authorization": f"Bearer {token}"})
    assert [item["title"] for item in opened.json()["items"]] == ["hello"]


async def test_nobody_unknown_gets_a_token(intake: Intake, ann: str) -> None:
    assert code(await intake.client.post(f"/v1/recipients/{ann}/tokens")) == (404, "not-found")


async def test_a_refused_token_says_whether_it_is_bad_or_expired(intake: Intake, ann: str) -> None:
    expired = intake.token(ann, -SECOND)
    other = TokenSigner(SecretStr("x" * 32)).issue(ann, intake.db.clock.now())[0]
    api_key = intake.client.headers["authorization"].removeprefix("Bearer ")
    for path in ("/v1/inbox", STREAM):
        for token, kind in (
            (expired, "expired-token"),
            (other, "invalid-token"),
            (api_key, "invalid-token"),
        ):
            headers = {"Authorization": f"Bearer {token}"}
            assert code(await intake.client.get(path, headers=headers)) == (401, kind)


async def test_a_token_is_no_api_key(intake: Intake, ann: str) -> None:
    headers = {"Authorization": f"Bearer {intake.token(ann)}"}
    answer = await intake.client.post(f"/v1/recipients/{ann}/tokens", headers=headers)
    assert code(answer) == (401, "invalid-api-key")


# Reading and marking


async def test_items_come_newest_first_in_pages_with_the_number_unread(
    intake: Intake, ann: str
) -> None:
    await store_history(intake.db, ann, "abcde", intake.db.clock.now(), SECOND)
    titles: list[str] = []
    query: dict[str, Any] = {"limit": 2}
    while True:
        page = (await intake.get(ann, **query)).json()
        assert page["unread"] == 5
        titles += [item["title"] for item in page["items"]]
        if page["next"] is None:
            break
        query["after"] = page["next"]
    assert titles == list("edcba")


async def test_an_item_is_answered_whole(intake: Intake, ann: str) -> None:
    (item_id,) = await store_items(intake.db, ann, ["hello"])
    (item,) = (await intake.get(ann)).json()["items"]
    assert item.pop("stored_at").endswith("Z")
    assert uuid.UUID(item.pop("notification_id"))
    assert item == {
        "id": str(item_id),
        "title": "hello",
        "body": "b",
        "url": "/u",
        "data": {"n": 1},
        "seen_at": None,
        "read_at": None,
        "archived_at": None,
    }


async def test_marks_are_kept_from_their_first_time(intake: Intake, ann: str) -> None:
    (item_id,) = await store_items(intake.db, ann, ["hello"])
    for what, fields in (
        ("seen", {"seen_at"}),
        ("read", {"seen_at", "read_at"}),
        ("archive", {"seen_at", "read_at", "archived_at"}),
    ):
        first, again = [await intake.mark(ann, item_id, what) for _ in range(2)]
        assert first.status_code == again.status_code == 200
        assert first.json() == again.json()
        marks = {name for name in ("seen_at", "read_at", "archived_at") if first.json()[name]}
        assert marks == fields
    assert (await intake.get(ann)).json() == {"items": [], "next": None, "unread": 0}
    assert len((await intake.get(ann, archived="true")).json()["items"]) == 1
    assert (await intake.get(ann, archived="true", unread="true")).json()["items"] == []


async def test_somebody_elses_item_and_none_at_all_are_answered_alike(
    intake: Intake, ann: str, bob: str
) -> None:
    (bobs,) = await store_items(intake.db, bob, ["secret"])
    answers = [await intake.mark(ann, item, "read") for item in (bobs, uuid.uuid4(), "no-id")]
    documents = [answer.json() | {"request_id": ""} for answer in answers]
    assert answers[0].status_code == 404
    assert documents[0] == documents[1] == documents[2]
    assert (await intake.get(bob)).json()["items"][0]["read_at"] is None


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ({"unread": "yes"}, "unread"),
        ({"archived": "1"}, "archived"),
        ({"limit": "0"}, "limit"),
        ({"after": "nonsense"}, "after"),
        ({"page": "2"}, "page"),
        ({"token": "fbi_"}, "token"),
    ],
)
async def test_a_wrong_parameter_is_named(
    intake: Intake, ann: str, query: dict[str, str], name: str
) -> None:
    answer = await intake.get(ann, **query)
    assert code(answer) == (422, "invalid-parameter")
    assert answer.json()["errors"][0]["parameter"] == name


# The stream


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
    async with listening(intake.browser, intake.token(ann, 2 * SECOND)) as stream:
        await asyncio.wait_for(stream.done, 5)
        assert stream.events[-1].name == "expired"


async def test_a_client_that_goes_leaves_nothing_behind(intake: Intake, ann: str) -> None:
    open_before = len(intake.hub)
    async with listening(intake.browser, intake.token(ann)):
        assert len(intake.hub) == open_before + 1
    await eventually(lambda: len(intake.hub) == open_before)


async def test_asking_for_the_head_of_a_stream_opens_none(intake: Intake, ann: str) -> None:
    headers = {"Authorization": f"Bearer {intake.token(ann)}"}
    answer = await intake.client.head(STREAM, headers=headers)
    assert answer.status_code == 200


# Browsers


async def test_pages_of_an_allowed_origin_may_ask_for_the_inbox_and_nothing_else(
    intake: Intake,
) -> None:
    headers = {
        "Origin": SHOP,
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "authorization,last-event-id",
    }
    for path, allowed in (
        ("/v1/inbox", True),
        (STREAM, True),
        (f"/v1/inbox/{uuid.uuid4()}/read", True),
        ("/v1/recipients/ann", False),
        ("/v1/inboxes", False),
    ):
        preflight = await intake.client.options(path, headers=headers)
        assert (preflight.headers.get("access-control-allow-origin") == SHOP) is allowed
        assert (preflight.status_code == 200) is allowed


async def test_pages_of_other_origins_may_not_and_errors_are_readable_for_the_allowed(
    intake: Intake,
) -> None:
    bad = {"Authorization": "Bearer fbi_x"}
    for origin, allowed in ((SHOP, SHOP), ("https://evil.example.org", None)):
        answer = await intake.client.get("/v1/inbox", headers=bad | {"Origin": origin})
        assert answer.status_code == 401
        assert answer.headers.get("access-control-allow-origin") == allowed
        assert "access-control-allow-credentials" not in answer.headers


# Limits, replicas, trouble


async def test_replicas_show_what_any_process_has_announced(
    intake: Intake, impatient: Intake, ann: str
) -> None:
    async with listening(impatient.browser, intake.token(ann)) as stream:
        await intake.tell(ann, "from elsewhere")
        await stream.shows("from elsewhere")


async def test_a_lost_event_is_made_good_by_the_next_look_at_the_store(
    impatient: Intake, ann: str
) -> None:
    async with listening(impatient.browser, impatient.token(ann)) as stream:
        await store_items(impatient.db, ann, ["unannounced"])
        await stream.shows("unannounced")


async def test_a_quiet_stream_has_heartbeats(impatient: Intake, ann: str) -> None:
    async with listening(impatient.browser, impatient.token(ann)) as stream:
        await eventually(lambda: stream.comments >= 3)
        assert [event.name for event in stream.events] == ["ready"]


async def test_a_slow_client_is_shown_everything_once_without_its_items_being_held(
    impatient: Intake, ann: str
) -> None:
    large = {f"{n:04}": f"{n:04}" + "x" * 100_000 for n in range(80)}
    headers = {"Authorization": f"Bearer {impatient.token(ann)}"}
    async with impatient.browser.stream("GET", STREAM, headers=headers) as response:
        # Nothing is read meanwhile, and 8 MB are more than sockets hold.
        await impatient.tell(ann, *large.values())
        (stream,) = impatient.hub._streams[recipient_hash(ann)]
        await asyncio.sleep(0.5)
        assert stream._waiting_bytes <= 2_000
        text = ""
        async for chunk in response.aiter_text():
            text += chunk
            if text.count("event: item") == len(large) and text.endswith("\n\n"):
                break
    assert sorted(re.findall(r'"title":"(\d{4})', text)) == sorted(large)


async def test_a_client_that_takes_nothing_is_cut_off(impatient: Intake, ann: str) -> None:
    headers = {"Authorization": f"Bearer {impatient.token(ann)}"}
    async with impatient.browser.stream("GET", STREAM, headers=headers):
        await impatient.tell(ann, *("x" * 100_000 for _ in range(80)))
        await eventually(lambda: recipient_hash(ann) not in impatient.hub._streams)


async def test_a_recipient_has_only_so_many_streams(impatient: Intake, ann: str, bob: str) -> None:
    client, token = impatient.browser, impatient.token(ann)
    async with listening(client, token), listening(client, token):
        third = await client.get(STREAM, headers={"Authorization": f"Bearer {token}"})
        assert code(third) == (429, "too-many-streams")
        assert int(third.headers["retry-after"]) > 0
        async with listening(client, impatient.token(bob)):
            pass


async def test_a_stop_ends_streams_cleanly_and_at_once(place: Place, ann: str) -> None:
    async with contextlib.AsyncExitStack() as outlasting:
        async with place.intake() as stopping:
            client = httpx2.AsyncClient(base_url=stopping.client.base_url, trust_env=False)
            await outlasting.enter_async_context(client)
            streams = [
                await outlasting.enter_async_context(listening(client, stopping.token(ann)))
                for _ in range(5)
            ]
            began = monotonic()
        assert monotonic() - began < 2
        for stream in streams:
            await asyncio.wait_for(stream.done, 1)


async def test_streams_outlive_a_database_that_was_away(
    own_mongo: MongoServer, rabbit_uri: str, ann: str
) -> None:
    place = Place(own_mongo.uri, rabbit_uri, f"t{uuid.uuid4().hex[:12]}")
    async with (
        place.intake(poll_seconds=0.2, heartbeat_seconds=0.1) as intake,
        listening(intake.browser, intake.token(ann)) as stream,
    ):
        await intake.tell(ann, "before")
        await stream.shows("before")
        await asyncio.to_thread(own_mongo.kill)
        intake.hub.resumed()
        await asyncio.to_thread(own_mongo.restart)
        await store_items(intake.db, ann, ["after"])
        await stream.shows("before", "after")
    await place.clear_broker()

"""Streams under limits and trouble: lost events, slow clients, stops, a database away."""

import asyncio
import contextlib
import json
import os
import re
import sys
import uuid
from datetime import timedelta
from pathlib import Path
from time import monotonic

import httpx2
from tests.support.inbox import store_items
from tests.support.inbox_intake import Intake, Place, code, sign
from tests.support.intake import TOKEN_SECRET
from tests.support.listening import STREAM, listening
from tests.support.waiting import eventually

from fogbell.identity import recipient_hash
from fogbell_local.servers import MongoServer

SECOND = timedelta(seconds=1)


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
        await eventually(lambda: stream._behind or stream._after)
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
            client = httpx2.AsyncClient(
                base_url=stopping.client.base_url, trust_env=False, timeout=60
            )
            await outlasting.enter_async_context(client)
            streams = [
                await outlasting.enter_async_context(listening(client, stopping.token(ann)))
                for _ in range(5)
            ]
            began = monotonic()
        assert monotonic() - began < 10
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


async def test_a_process_told_to_stop_ends_its_streams_and_exits_0(
    place: Place, tmp_path: Path, ann: str
) -> None:
    ready = tmp_path / "ready.json"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "fogbell_intake", "--ready-file", str(ready)),
        env=os.environ
        | {
            "FOGBELL_MONGODB_URI": place.mongo_uri,
            "FOGBELL_MONGODB__DATABASE": place.name,
            "FOGBELL_RABBITMQ_URI": place.rabbit_uri,
            "FOGBELL_RABBITMQ__PREFIX": f"{place.name}.",
            "FOGBELL_HTTP__HOST": "127.0.0.1",
            "FOGBELL_HTTP__PORT": "0",
            "FOGBELL_METRICS__PORT": "0",
            "FOGBELL_INBOX_TOKEN_SECRET": TOKEN_SECRET,
        },
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        await eventually(ready.exists, 60)
        url = json.loads(ready.read_text())["url"]
        async with (
            httpx2.AsyncClient(base_url=url, trust_env=False, timeout=60) as client,
            listening(client, sign(ann)) as stream,
        ):
            process.terminate()
            await asyncio.wait_for(stream.done, 10)
            assert await asyncio.wait_for(process.wait(), 20) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()

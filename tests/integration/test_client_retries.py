"""The client against a server that is in trouble: what is sent again, and what never is.

Every rule holds for both clients.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.scripted import CUT, answer, events, scripted

from fogbell_client import (
    NO_RETRIES,
    AsyncFogbell,
    AsyncInbox,
    Call,
    ExpiredTokenError,
    Fogbell,
    FogbellError,
    ProblemError,
    RetryPolicy,
    UnreachableError,
    calls,
)
from fogbell_client.bodies import NotificationBody

BODY: NotificationBody = {"audience": {"recipients": ["ann"]}, "channels": ["email"]}
FAST = RetryPolicy(patience=5, connect_patience=5, first_pause=0.001, longest_pause=0.01)
BUSY = answer(503, {"title": "Unavailable", "code": "unavailable", "status": 503})
DONE = answer(202, {"id": "1"})

Run = Callable[..., Awaitable[Any]]


async def run_blocking(url: str, call: Call[Any], **options: Any) -> Any:
    def run() -> Any:
        with Fogbell(url, "fbk_k", **({"retries": FAST} | options)) as client:
            return client.run(call)

    return await asyncio.to_thread(run)


async def run_async(url: str, call: Call[Any], **options: Any) -> Any:
    async with AsyncFogbell(url, "fbk_k", **({"retries": FAST} | options)) as client:
        return await client.run(call)


@pytest.fixture(params=[run_blocking, run_async], ids=["sync", "async"])
def run(request: pytest.FixtureRequest) -> Run:
    chosen: Run = request.param
    return chosen


async def test_a_post_is_repeated_with_the_same_key_until_it_is_answered(run: Run) -> None:
    async with scripted([BUSY, CUT, answer(429, {}), DONE]) as server:
        assert await run(server.url, calls.post(BODY)) == {"id": "1"}
        assert len(server.asked) == 4
        assert len({(asked.headers["idempotency-key"], asked.body) for asked in server.asked}) == 1


async def test_what_is_wrong_is_not_repeated_and_carries_its_problem(run: Run) -> None:
    document = {"title": "Unknown recipient", "code": "unknown-recipient", "status": 422}
    async with scripted([answer(422, document)]) as server:
        with pytest.raises(ProblemError, match="Unknown recipient") as raised:
            await run(server.url, calls.post(BODY))
        assert len(server.asked) == 1
    problem = raised.value
    assert (problem.status, problem.code, problem.document) == (422, "unknown-recipient", document)


async def test_a_key_is_not_created_twice_because_an_answer_was_lost(run: Run) -> None:
    create = calls.create_api_key({"name": "n", "scopes": ["send"]})
    for trouble in (CUT, BUSY):
        async with scripted([trouble, answer(201, {"key": "fbk_new"})]) as server:
            with pytest.raises(FogbellError):
                await run(server.url, create)
            assert len(server.asked) == 1
    async with scripted([answer(429, {}), answer(201, {"key": "fbk_new"})]) as server:
        assert (await run(server.url, create))["key"] == "fbk_new"


async def test_patience_ends_with_the_last_problem(run: Run) -> None:
    far = answer(503, {"title": "Unavailable"}, {"Retry-After": "3600"})
    async with scripted([BUSY, far]) as server:
        with pytest.raises(ProblemError) as raised:
            await run(server.url, calls.notification("1"))
        assert raised.value.retry_after == 3600
        assert len(server.asked) == 2


async def test_retry_after_is_respected_and_told(run: Run) -> None:
    told: list[float] = []
    async with scripted([answer(429, {}, {"Retry-After": "1"}), DONE]) as server:
        await run(server.url, calls.post(BODY), on_retry=lambda _, wait: told.append(wait))
    assert len(told) == 1
    assert told[0] >= 1


async def test_nobody_there_is_an_error_that_says_so(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        url = f"http://127.0.0.1:{held.getsockname()[1]}"
    told: list[FogbellError] = []
    brief = RetryPolicy(connect_patience=0.02, first_pause=0.01)
    with pytest.raises(UnreachableError, match=f"nothing answers at {url}") as raised:
        await run(url, calls.post(BODY), retries=brief, on_retry=lambda e, _: told.append(e))
    assert not raised.value.sent
    assert len(told) <= 3


async def test_an_answer_of_somebody_else_is_an_error(run: Run) -> None:
    page = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>"
    async with scripted([page]) as server:
        with pytest.raises(ProblemError, match="does not look like Fogbell"):
            await run(server.url, calls.notification("1"))


async def test_nothing_is_repeated_without_retries(run: Run) -> None:
    async with scripted([BUSY, DONE]) as server:
        with pytest.raises(ProblemError):
            await run(server.url, calls.post(BODY), retries=NO_RETRIES)
        assert len(server.asked) == 1


async def test_a_file_is_read_again_for_each_try(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_bytes(b"id\n" + b"ann\n" * 50_000)
    report = {"imported": 1, "rejected": 0, "errors": [], "errors_truncated": False}
    async with scripted([BUSY, answer(200, report)]) as server:
        assert await run(server.url, calls.import_recipients(file)) == report
        assert [len(asked.body) for asked in server.asked] == [file.stat().st_size] * 2


async def test_a_stream_that_was_read_is_not_sent_again(run: Run) -> None:
    def lines() -> Iterator[bytes]:
        yield b"id\n"
        yield b"ann\n"

    async with scripted([BUSY, answer(200, {})]) as server:
        with pytest.raises(ProblemError):
            await run(server.url, calls.import_recipients(lines(), "text/csv"))
        assert [asked.body for asked in server.asked] == [b"id\nann\n"]


async def test_the_async_client_takes_async_streams_and_the_blocking_one_says_it_cannot() -> None:
    async def lines() -> AsyncIterator[bytes]:
        yield b"id\n"
        yield b"ann\n"

    async with scripted([answer(200, {})]) as server:
        await run_async(server.url, calls.import_recipients(lines(), "text/csv"))
        assert server.asked[0].body == b"id\nann\n"
        with pytest.raises(TypeError, match="AsyncFogbell"):
            await run_blocking(server.url, calls.import_recipients(lines(), "text/csv"))


async def test_a_list_is_read_page_after_page() -> None:
    pages = [answer(200, {"items": [1, 2], "next": "c"}), answer(200, {"items": [3], "next": None})]
    async with scripted(pages) as server, AsyncFogbell(server.url, "fbk_k") as client:
        found: list[Any] = [item async for item in client.deliveries("1", status="dead")]
        assert found == [1, 2, 3]
        assert server.asked[1].target.endswith("deliveries?status=dead&after=c")

    def every(url: str) -> list[Any]:
        with Fogbell(url, "fbk_k") as client:
            return list(client.deliveries("1", status="dead"))

    async with scripted(pages) as server:
        assert await asyncio.to_thread(every, server.url) == [1, 2, 3]


# The live stream


def item(number: int) -> str:
    return f'event: item\nid: c{number}\ndata: {{"id": "{number}"}}'


READY = "retry: 1\nevent: ready\nid: c0\ndata: {}"
EXPIRED = "event: expired\ndata: {}"


@contextlib.asynccontextmanager
async def inbox(*answers: bytes, retries: RetryPolicy = FAST) -> AsyncIterator[tuple[Any, Any]]:
    async with scripted(answers) as server, AsyncInbox(server.url, "fbi", retries=retries) as own:
        yield server, own


async def shown(stream: Any) -> list[str]:
    """The ids of what it shows until the token expires."""
    found: list[str] = []

    async def read() -> None:
        async for new in stream:
            found.append(new["id"])  # noqa: PERF401 - the end is an exception

    with pytest.raises(ExpiredTokenError) as raised:
        await read()
    assert raised.value.last_event_id == stream.last_event_id
    return found


async def test_a_stream_resumes_where_it_was_cut_and_shows_nothing_twice() -> None:
    first = events(READY, item(1), item(2), rest="event: item\nid: c3\ndata: {")
    second = events(READY.replace("c0", "c2"), item(2), item(3), EXPIRED)
    async with inbox(first, second) as (server, own):
        stream = own.stream()
        assert await shown(stream) == ["1", "2", "3"]
        assert stream.last_event_id == "c3"
        assert [asked.headers.get("last-event-id") for asked in server.asked] == [None, "c2"]


async def test_a_stream_cut_before_its_first_item_resumes_from_its_beginning() -> None:
    async with inbox(events(READY), events(item(1), EXPIRED)) as (server, own):
        assert await shown(own.stream()) == ["1"]
        assert server.asked[1].headers["last-event-id"] == "c0"


async def test_a_stream_goes_on_from_another_process() -> None:
    async with inbox(events(item(8), EXPIRED)) as (server, own):
        await shown(own.stream(last_event_id="c7"))
        assert server.asked[0].headers["last-event-id"] == "c7"


async def test_a_stream_waits_while_intake_is_away_and_then_goes_on() -> None:
    script = (events(READY, item(1)), BUSY, CUT, events(item(2), EXPIRED))
    async with inbox(*script) as (server, own):
        assert await shown(own.stream()) == ["1", "2"]
        assert len(server.asked) == 4


async def test_a_token_that_expired_while_the_stream_was_cut_ends_it_the_same() -> None:
    refused = answer(401, {"title": "Expired", "code": "expired-token"})
    async with inbox(events(READY, item(1)), refused) as (_, own):
        assert await shown(own.stream()) == ["1"]


async def test_a_stream_that_may_not_be_opened_is_an_error() -> None:
    async with inbox(answer(401, {"title": "Invalid", "code": "invalid-token"})) as (_, own):
        with pytest.raises(ProblemError, match="Invalid"):
            await anext(aiter(own.stream()))
    page = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nContent-Type: text/html\r\n\r\n<html>"
    async with inbox(page) as (server, own):
        with pytest.raises(ProblemError, match="does not look like Fogbell"):
            await anext(aiter(own.stream()))
        assert len(server.asked) == 1

"""A post is followed through every component: in one trace, or in several that are linked.

Spans come from processes of their own, over OTLP, to a collector that decodes them.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest
from tests.support.campaigns import new_run, start_pod
from tests.support.collector import Collector, Seen, collecting, hanging, settings
from tests.support.receivers import Outside, outside
from tests.support.system import Ground, System, mail
from tests.support.waiting import eventually

from fogbell.model.status import Channel, Lane
from fogbell_local.servers.ports import free_ports

TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
ADDRESS = "ann.private@private.example"
PRIVATE = (
    *("private", "Private"),  # of recipients, addresses and content
    *("/hooks/", "shop=1", "s3cret-token"),  # of a webhook's URL
)
LATER = f"451 4.2.0 {ADDRESS} later"
NEVER = "550 5.1.1 gone.private@private.example is nobody here"
Json = dict[str, Any]


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as made:
        yield made


@pytest.fixture(scope="module")
async def there() -> AsyncIterator[Outside]:
    async with outside() as made:
        yield made


@pytest.fixture(scope="module")
async def system(
    module_ground: Ground, there: Outside, collector: Collector
) -> AsyncIterator[System]:
    told = there.settings() | settings(collector.port)
    async with System(module_ground, settings=told) as running:
        yield running


async def _post(system: System, trace: str, body: Json) -> str:
    """Post as a caller who is in that trace; the notification's id."""
    headers = {"traceparent": f"00-{trace}-{CALLER}-01"}
    answer = await system.client.post("/v1/notifications", json=body, headers=headers)
    assert answer.status_code == 202, answer.text
    accepted: Json = answer.json()
    assert trace not in answer.text, "traces are no part of the interface"
    return str(accepted["id"])


async def _private(system: System, address: str = ADDRESS) -> Json:
    """The body of a post to a recipient who must be in no span."""
    await system.put_recipient("private-recipient", addresses={"email": address})
    return {
        "audience": {"recipients": [{"id": "private-recipient"}]},
        "channels": ["email"],
        "content": {"email": {"subject": "Private subject", "text": "Private text"}},
    }


async def test_a_post_is_one_trace_from_its_caller_to_the_record(
    system: System, collector: Collector
) -> None:
    notification = await _post(system, TRACE, await _private(system))

    async def one(name: str) -> Seen:
        return await collector.one(TRACE, name)

    server, commit = await one("POST /v1/notifications"), await one("commit")
    published, claim = (
        await one("publish email.transactional"),
        await one("claim email.transactional"),
    )
    deliver, render, send, record = [
        await one(name) for name in ("deliver email", "render", "send relay", "record")
    ]
    assert (server.kind, server.parent) == ("SERVER", (TRACE, CALLER))
    assert commit.parent == server.ids
    assert (published.kind, published.parent) == ("PRODUCER", commit.ids)
    assert (claim.kind, claim.parent) == ("CONSUMER", published.ids)
    assert (deliver.parent, deliver.links) == (server.ids, {claim.ids})
    assert [s.parent for s in (render, send, record)] == [deliver.ids] * 3
    assert (send.kind, send.attributes["fogbell.outcome"]) == ("CLIENT", "accepted")
    assert {s.service for s in (server, commit, published)} == {"fogbell-intake"}
    assert {s.service for s in (claim, deliver, record)} == {"fogbell-worker"}
    assert len(collector.of(TRACE)) == 8
    assert not any(s.failed for s in collector.of(TRACE))
    assert server.attributes["fogbell.notification"] == notification
    assert server.attributes["http.route"] == "/v1/notifications"
    assert deliver.attributes["fogbell.notification"] == notification
    queue = system.ground.topology.queue(Channel.EMAIL, Lane.TRANSACTIONAL)
    assert published.attributes["messaging.destination.name"] == queue


async def test_a_retry_is_a_trace_of_its_own_that_is_linked_to_the_post(
    system: System, there: Outside, collector: Collector
) -> None:
    trace = "1" * 32
    there.relay_says({"RCPT": [LATER, "250 ok"]})
    await system.settled(await _post(system, trace, await _private(system)))
    first = await collector.one(trace, "deliver email")
    failed = await collector.one(trace, "send relay")
    assert failed.failed
    assert (first.attributes["fogbell.outcome"], failed.attributes["fogbell.code"]) == (
        "transient", "451",
    )  # fmt: skip
    again = await collector.one_linked(trace, "deliver email")
    server = await collector.one(trace, "POST /v1/notifications")
    claim = await _claim_of(collector, again)
    assert (again.parent, again.links) == (None, {server.ids, claim.ids})
    assert (again.attributes["fogbell.attempt"], again.failed) == (2, False)
    assert again.attributes["fogbell.delivery"] == first.attributes["fogbell.delivery"]
    # What woke the worker up was a sweep: its trace is that of the claim.
    sweep = await collector.one(claim.trace, "sweep")
    assert (sweep.service, sweep.parent) == ("fogbell-retry", None)
    assert sweep.attributes["fogbell.retry_due"] == 1


async def _claim_of(collector: Collector, deliver: Seen) -> Seen:
    def found() -> list[Seen]:
        claims = [s for s in collector.spans if s.name.startswith("claim ")]
        return [s for s in claims if s.ids in deliver.links]

    (claim,) = await eventually(found)
    return claim


async def test_posts_that_share_a_commit_are_linked_to_it_and_keep_their_own_deliveries(
    system: System, collector: Collector
) -> None:
    known = [f"{n:032x}" for n in range(1, 41)]
    posts = (_post(system, trace, mail(f"{trace}@example.org")) for trace in known)
    await asyncio.gather(*posts)
    servers = [await collector.one(trace, "POST /v1/notifications") for trace in known]
    delivers = [await collector.one(trace, "deliver email") for trace in known]
    assert [deliver.parent for deliver in delivers] == [server.ids for server in servers]
    mine = {server.ids for server in servers}
    shared = [s for s in collector.spans if s.name == "commit" and len(s.links & mine) > 1]
    assert shared
    assert {commit.parent for commit in shared} == {None}


async def test_bulk_is_linked_and_never_a_part_of_the_trace_of_its_post(
    system: System, collector: Collector
) -> None:
    trace = "2" * 32
    body = mail(*(f"bulk-{n}@example.org" for n in range(3)), lane="bulk")
    await system.settled(await _post(system, trace, body))
    await eventually(lambda: len(collector.linked_to(trace, "deliver email")) == 3, 20)
    commit = await collector.one(trace, "commit")
    claim = await collector.one_linked(trace, "claim email.bulk")
    assert (claim.parent, claim.links) == (None, {commit.ids})
    assert collector.of(trace, "publish email.bulk") == []
    assert collector.of(trace, "deliver email") == []
    assert len({s.trace for s in collector.linked_to(trace, "deliver email")}) == 3


async def test_an_expansion_is_linked_to_its_post(system: System, collector: Collector) -> None:
    trace = "3" * 32
    await system.put_recipient("member", addresses={"email": "m@example.org"}, groups=["fog"])
    body = mail() | {"audience": {"groups": ["fog"]}}
    await system.settled(await _post(system, trace, body))
    server = await collector.one(trace, "POST /v1/notifications")
    expand = await collector.one_linked(trace, "expand")
    assert (expand.parent, expand.links) == (None, {server.ids})
    assert expand.attributes["fogbell.inserted"] == 1
    claim = await collector.one_linked(expand.trace, "claim email.bulk")
    assert (claim.parent, claim.links) == (None, {expand.ids})
    assert (await collector.one_linked(trace, "deliver email")).parent is None


async def test_a_campaigns_run_is_a_trace_to_which_its_deliveries_are_linked(
    system: System, collector: Collector
) -> None:
    await system.put_recipient("run-member", addresses={"email": "r@example.org"}, groups=["run"])
    run = new_run(audience={"groups": ["run"]})
    told = {**system.environ(), "FOGBELL_RETRY__BASE_SECONDS": "1"}
    pod = await asyncio.to_thread(start_pod, run, "traced", system.ground.directory, told)
    await eventually(lambda: pod.exit_status is not None, 30)
    await asyncio.to_thread(pod.terminate, 0)  # it has ended: this lets go of its guardian
    (root,) = await eventually(lambda: [s for s in collector.spans if s.name == "run"])
    assert (root.service, root.parent) == ("fogbell-campaign", None)
    assert root.attributes["fogbell.notification"] == str(run.id)
    assert (await collector.one(root.trace, "expand")).parent == root.ids
    deliver = await collector.one_linked(root.trace, "deliver email")
    assert root.ids in deliver.links


async def test_a_traceparent_that_is_wrong_changes_nothing(
    system: System, collector: Collector
) -> None:
    known = {s.ids for s in collector.spans}
    headers = {"traceparent": "00-nonsense-01", "X-Request-Id": "wrong-parent"}
    answer = await system.client.post(
        "/v1/notifications", json=mail("w@example.org"), headers=headers
    )
    assert answer.status_code == 202

    def found() -> list[Seen]:
        new = [s for s in collector.spans if s.ids not in known]
        return [s for s in new if s.attributes.get("fogbell.request_id") == "wrong-parent"]

    (server,) = await eventually(found)
    assert server.parent is None


async def test_log_lines_carry_the_trace_of_their_request(system: System) -> None:
    trace = "4" * 32
    notification = await _post(system, trace, mail("log@example.org"))
    await system.settled(notification)

    def lines() -> list[Json]:
        written = [line for line in system.log_text().splitlines() if line.startswith("{")]
        return [line for line in map(json.loads, written) if line.get("trace_id") == trace]

    def complete() -> bool:
        return {("intake", "request"), ("worker", "recorded")} <= {
            (line["component"], line["event"]) for line in lines()
        }

    await eventually(complete)
    assert {line["notification"] for line in lines()} == {notification}


async def test_no_probe_is_traced_and_nothing_of_people_or_content_is_in_any_span(
    system: System, there: Outside, collector: Collector
) -> None:
    await _told(system, collector, "5" * 32, await _private(system))
    await _told(system, collector, "6" * 32, _hook(f"{there.well.url}&token=s3cret-token"))
    there.relay_says({"RCPT": NEVER})
    refused = await _private(system, "gone.private@private.example")
    await _told(system, collector, "7" * 32, refused)
    there.relay_says({})
    assert (await collector.one("7" * 32, "send relay")).failed
    await system.client.get("/healthz")
    await system.client.get("/v1/recipients/private-recipient")
    await eventually(lambda: any(s.name == "GET /v1/recipients/{id}" for s in collector.spans))
    assert not any("healthz" in s.name or "readyz" in s.name for s in collector.spans)
    sent = b"".join(collector.bodies)
    for word in PRIVATE:
        assert word.encode() not in sent
    assert b"@example.org" not in sent


async def _told(system: System, collector: Collector, trace: str, body: Json) -> None:
    """Post ``body``, and wait until all spans of its first try have come."""
    await _post(system, trace, body)
    (channel,) = body["channels"]
    for name in ("render", f"deliver {channel}", "record"):
        await collector.one(trace, name)


def _hook(url: str) -> Json:
    return {
        "audience": {"addresses": [{"webhook": {"url": url}}]},
        "channels": ["webhook"],
        "content": {"webhook": {"type": "private.type", "data": {"text": "Private text"}}},
    }


@contextmanager
def _refusing() -> Iterator[int]:
    yield free_ports(1)[0]


@pytest.mark.parametrize("away", [_refusing, hanging])
async def test_a_collector_that_is_away_or_hangs_is_waited_for_by_nobody(
    ground: Ground, away: Callable[[], AbstractContextManager[int]]
) -> None:
    with away() as port:
        async with System(ground, settings=settings(port)) as system:
            posts = (system.post(mail(f"away-{n}@example.org")) for n in range(50))
            ids = [posted["id"] for posted in await asyncio.gather(*posts)]
            await system.settled(*ids)
            await system.stop_retry()
            statuses = await asyncio.gather(*(system.stop(c) for c in system.started))
            assert statuses == [0, 0]
            assert "traces_not_flushed" in system.log_text()

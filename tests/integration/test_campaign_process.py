"""The runner as Kubernetes starts it: started twice, killed, stopped, without MongoDB, refused."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.support.account import recipient_ids
from tests.support.campaigns import new_run, start_pod
from tests.support.system import Ground, System, when
from tests.support.waiting import eventually

from fogbell.model.recipient import Recipient
from fogbell.model.status import Channel
from fogbell.store import recipients
from fogbell.store.database import Database
from fogbell_campaign.run import Run
from fogbell_local.processes import Program
from fogbell_local.servers import MongoServer
from fogbell_local.servers.ports import free_ports

AWAY = {"FOGBELL_MONGODB__URI": "mongodb://127.0.0.1:1/?replicaSet=rs0"}
PEOPLE = 5_000


@dataclass
class Pod:
    """One start of the runner, and what Kubernetes would keep of it."""

    program: Program
    termination_log: Path

    async def ended(self, within: float = 40) -> tuple[int | None, dict[str, Any]]:
        """Its exit status and its termination message."""
        await eventually(lambda: self.program.exit_status is not None, within, 0.05)
        text = self.termination_log.read_text()
        return self.program.exit_status, json.loads(text) if text else {}

    @property
    def log(self) -> str:
        return self.program.log.read_text() if self.program.log.exists() else ""


@dataclass
class Pods:
    """Starts pods on a ground, and ends those that are left."""

    ground: Ground
    started: list[Pod] = field(default_factory=list)

    async def start(self, run: Run, settings: Mapping[str, str] | None = None) -> Pod:
        name = f"pod-{len(self.started) + 1}"
        told = {**System(self.ground).environ(), **(settings or {})}
        program = await asyncio.to_thread(start_pod, run, name, self.ground.directory, told)
        self.started.append(Pod(program, program.log.with_suffix(".termination")))
        return self.started[-1]


@pytest.fixture
async def pods(ground: Ground) -> AsyncIterator[Pods]:
    own = Pods(ground)
    yield own
    for pod in own.started:
        await asyncio.to_thread(pod.program.terminate, 5)


@pytest.fixture
async def db(ground: Ground) -> AsyncIterator[Database]:
    database = Database(ground.mongodb, ground.database)
    yield database
    database.close()


async def _people(db: Database, number: int) -> list[str]:
    names = [f"r{n:05d}" for n in range(number)]
    found = [{"id": name, "addresses": {"email": f"{name}@example.org"}} for name in names]
    await recipients.put_many(db, [Recipient.model_validate(person) for person in found])
    return names


async def _inserted(db: Database) -> int:
    return int(await db.deliveries.count_documents({}))


async def test_two_pods_at_once_send_one_runs_worth(ground: Ground, pods: Pods) -> None:
    run = new_run()
    async with System(ground) as system:
        names = await _people(system.db, 300)
        both = [await pods.start(run), await pods.start(run)]
        ended = [await pod.ended() for pod in both]
        assert [status for status, _ in ended] == [0, 0]
        assert {summary["outcome"] for _, summary in ended} <= {"expanded", "resumed"}
        await system.settled(str(run.id))
        expected = recipient_ids(str(run.id), names, Channel.EMAIL)
        account = await system.account(str(run.id), expected=expected)
        assert account.statuses == {"delivered": len(names)}
        assert account.duplicates == 0


async def test_a_pod_killed_in_the_middle_is_followed_by_one_that_finishes(
    db: Database, pods: Pods
) -> None:
    names = await _people(db, PEOPLE)
    run = new_run(throttle={"perSecond": 2_000})
    lease = {"FOGBELL_PROTOCOL__LEASE_SECONDS": "3"}
    first = await pods.start(run, lease)
    await when(lambda: _inserted(db))
    await asyncio.to_thread(first.program.kill)
    assert 0 < await _inserted(db) < PEOPLE
    assert first.termination_log.read_text() == ""
    status, summary = await (await pods.start(run, lease)).ended()
    assert (status, summary["outcome"], summary["notification"]) == (0, "resumed", str(run.id))
    found = [d["recipient_id"] async for d in db.deliveries.find({}, {"recipient_id": True})]
    assert sorted(found) == names
    stored = await db.notifications.find_one({"_id": run.id})
    assert stored is not None
    assert stored["expected"] == PEOPLE


async def test_a_pod_that_is_told_to_stop_fails_and_holds_nothing(db: Database, pods: Pods) -> None:
    await _people(db, 500)
    run, port = new_run(throttle={"perSecond": 50}), free_ports(1)[0]
    pod = await pods.start(run, {"FOGBELL_METRICS__PORT": str(port)})
    await eventually(lambda: _counts_inserted(port), 20, 0.1)
    await asyncio.to_thread(pod.program.terminate, 10)
    status, summary = await pod.ended()
    assert (status, summary["outcome"], summary["reason"]) == (1, "failed", "Stopped")
    assert summary["notification"] == str(run.id)
    stored = await db.notifications.find_one({"_id": run.id})
    assert stored is not None
    assert "owner" not in stored["expansion"]


async def _counts_inserted(port: int) -> bool:
    """Whether its metrics say, while it runs, that it has inserted something."""
    try:
        async with httpx2.AsyncClient(trust_env=False, timeout=5) as client:
            text = (await client.get(f"http://127.0.0.1:{port}/metrics")).text
    except httpx2.TransportError:
        return False
    return any(
        name == "fogbell_campaign_run_inserted_total" and float(value) > 0
        for name, _, value in (line.rpartition(" ") for line in text.splitlines())
    )


async def test_a_run_that_starts_without_mongodb_happens_when_it_is_back(
    own_mongo: MongoServer, pods: Pods
) -> None:
    await asyncio.to_thread(own_mongo.stop)
    run = new_run()
    pod = await pods.start(run, {"FOGBELL_MONGODB__URI": own_mongo.uri})
    await eventually(lambda: "waiting_for_mongodb" in pod.log, 20)
    await asyncio.to_thread(own_mongo.restart)
    status, summary = await pod.ended()
    assert (status, summary["outcome"]) == (0, "expanded")


async def test_a_firing_that_nobody_asked_for_needs_no_server_to_be_refused(pods: Pods) -> None:
    changed = {"FOGBELL_CAMPAIGN__EFFECTIVE_SINCE": datetime.now(UTC).isoformat()}
    pod = await pods.start(new_run(), changed | AWAY)
    status, summary = await pod.ended()
    assert (status, summary["outcome"], summary["reason"]) == (0, "refused", "BeforeChange")
    assert summary["notification"] is None
    assert "before the campaign was last changed" in summary["message"]


async def test_a_campaign_without_its_template_fails_for_good(db: Database, pods: Pods) -> None:
    pod = await pods.start(new_run(content=None, template={"name": "digest"}))
    status, summary = await pod.ended()
    assert (status, summary["outcome"], summary["reason"]) == (42, "failed", "UnknownTemplate")
    assert "PUT /v1/templates/digest" in summary["message"]
    assert await db.notifications.count_documents({}) == 0


async def test_wrong_settings_end_a_pod_with_a_sentence(pods: Pods) -> None:
    pod = await pods.start(new_run(), {"FOGBELL_CAMPAIGN__SPEC": "{}"})
    status, summary = await pod.ended()
    assert (status, summary["reason"]) == (42, "WrongSettings")
    assert "FOGBELL_CAMPAIGN__SPEC is wrong" in summary["message"]
    assert summary["message"] in pod.log.replace("fogbell: ", "")

"""Components that MongoDB refuses: they say so and what to change, wait, and go on once let in."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx2
from starlette.applications import Starlette
from structlog.testing import capture_logs
from tests.support.directory import NO_RABBITMQ
from tests.support.intake import intake_settings, serving
from tests.support.locked import PASSWORD, LockedMongo, User
from tests.support.system import Ground, System
from tests.support.waiting import eventually

from fogbell_intake.app import create_app
from fogbell_local import environment, processes
from fogbell_local.processes import Component
from fogbell_local.servers.ports import free_ports

POST = {
    "audience": {"addresses": [{"email": "a@example.org"}]},
    "channels": ["email"],
    "content": {"email": {"subject": "s", "text": "t"}},
}


@dataclass
class Intake:
    app: Starlette
    client: httpx2.AsyncClient

    async def says(self) -> tuple[int, str]:
        """What /readyz says of MongoDB, on its own port; the other one has to agree."""
        answer = await self.client.get("/readyz")
        own: str = answer.json()["mongodb"]
        missing = await readiness(self.app.state.metrics_port)
        assert own == missing.get("mongodb", "ok")
        return answer.status_code, own


async def readiness(port: int) -> dict[str, str]:
    """What the process that serves metrics at ``port`` lacks."""
    async with httpx2.AsyncClient(trust_env=False, timeout=10) as client:
        answer = await client.get(f"http://127.0.0.1:{port}/readyz")
    missing: dict[str, str] = answer.json()["missing"]
    return missing


@contextlib.asynccontextmanager
async def serving_as(user: User, password: str = PASSWORD) -> AsyncIterator[Intake]:
    settings = intake_settings(user.uri(password), user.database, NO_RABBITMQ)
    app = create_app(settings)
    async with serving(settings, app=app) as client:
        yield Intake(app, client)


def unavailable(answer: httpx2.Response) -> str:
    """The detail of a 503, which may be repeated."""
    problem: dict[str, Any] = answer.json()
    assert (answer.status_code, problem["code"]) == (503, "unavailable"), problem
    assert "retry-after" in answer.headers
    return str(problem["detail"])


async def test_intake_with_a_wrong_password_is_unready_and_refuses_posts_as_one_without_mongodb(
    locked: LockedMongo,
) -> None:
    async with serving_as(locked.user("readWrite"), "wrong") as intake:

        async def named() -> bool:
            status, says = await intake.says()
            return status == 503 and "code 18" in says

        await eventually(named, 20)
        for body, path in ((POST, ""), ({"items": [POST, POST]}, "/batch")):
            answer = await intake.client.post(f"/v1/notifications{path}", json=body)
            assert "refuses Fogbell's user" in unavailable(answer)


async def test_intake_that_may_only_read_is_unready_until_it_may_write(
    locked: LockedMongo,
) -> None:
    user = locked.user("read")
    async with serving_as(user) as intake:

        async def named() -> bool:
            status, says = await intake.says()
            return status == 503 and "role readWrite" in says

        await eventually(named)
        user.take("readWrite")
        await asyncio.wait_for(intake.app.state.prepared.wait(), 10)
        assert await intake.says() == (200, "ok")
        assert (await intake.client.post("/v1/notifications", json=POST)).status_code == 202


async def test_what_a_lost_right_refuses_is_a_503_and_named_in_the_log(
    locked: LockedMongo,
) -> None:
    """Readiness cannot show it: what needs other rights still works."""
    user = locked.user("readWrite")
    async with serving_as(user) as intake:
        await intake.app.state.prepared.wait()
        user.take("read")
        with capture_logs() as lines:
            answer = await intake.client.put("/v1/recipients/somebody", json={})
            posted = await intake.client.post("/v1/notifications", json=POST)
        assert unavailable(answer) == unavailable(posted)
        told = [line["error"] for line in lines if line["event"] == "mongodb.refused"]
        assert len(told) == 2
        assert all("code 13" in error for error in told)
        assert "somebody" not in str(lines)
        assert (await intake.client.get("/v1/recipients/somebody")).status_code == 404


@contextlib.asynccontextmanager
async def running(
    name: str, ground: Ground, user: User, more: Mapping[str, str]
) -> AsyncIterator[Component]:
    """A process of a component on ``ground``, but for its database, which is the user's."""
    (port,) = free_ports(1)
    environ = {
        **System(ground).environ(),
        "FOGBELL_MONGODB__URI": user.uri(),
        "FOGBELL_MONGODB__DATABASE": user.database,
        "FOGBELL_METRICS__PORT": str(port),
        **more,
    }
    component = await asyncio.to_thread(
        processes.start, name, name, environ, port, ground.directory
    )
    try:
        yield component
    finally:
        await asyncio.to_thread(component.program.terminate, 10)


async def test_a_worker_that_is_refused_says_so_and_begins_once_it_is_let_in(
    locked: LockedMongo, ground: Ground
) -> None:
    user, place = locked.user("read"), System(ground).place
    settings = environment.worker({}, place, 0)
    del settings["FOGBELL_METRICS__PORT"]
    async with running("worker", ground, user, settings) as worker:

        async def named() -> bool:
            with contextlib.suppress(httpx2.TransportError):
                return "role readWrite" in (await readiness(worker.port)).get("mongodb", "")
            return False

        await eventually(named, 30)
        user.take("readWrite")
        await asyncio.to_thread(worker.wait_ready)


async def test_retry_that_is_refused_ends_its_window_as_without_mongodb(
    locked: LockedMongo, ground: Ground
) -> None:
    over = {"FOGBELL_JOB_NAME": "retry-29000000"}
    async with running("retry", ground, locked.user("read"), over) as retry:
        await eventually(lambda: retry.program.exit_status is not None, 30)
        assert retry.program.exit_status == 1
        lines = [json.loads(line) for line in retry.program.tail().splitlines()]
        said = {line["event"]: line for line in lines}
        assert "code 13" in said["sweep_failed"]["error"]
        assert json.loads(said["window_ended"]["summary"])["failed_sweeps"] == 1

"""Intake as a process: how it starts and stops, and what it is without its servers."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.support.directory import NO_RABBITMQ
from tests.support.intake import KEY, TOKEN_SECRET, intake_settings, serving
from tests.support.waiting import eventually

from fogbell_intake.health import RABBITMQ_AWAY

NO_MONGODB = "mongodb://127.0.0.1:1/?replicaSet=rs0"


def environment(mongo: str, database: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FOGBELL_")}
    return kept | {
        "FOGBELL_MONGODB_URI": mongo,
        "FOGBELL_MONGODB__DATABASE": database,
        "FOGBELL_RABBITMQ_URI": NO_RABBITMQ,
        "FOGBELL_HTTP__HOST": "127.0.0.1",
        "FOGBELL_HTTP__PORT": "0",
        "FOGBELL_METRICS__HOST": "127.0.0.1",
        "FOGBELL_METRICS__PORT": "0",
        "FOGBELL_BOOTSTRAP_API_KEY": KEY,
        "FOGBELL_INBOX_TOKEN_SECRET": TOKEN_SECRET,
    }


@dataclass
class Process:
    process: asyncio.subprocess.Process
    client: httpx2.AsyncClient
    log: Path


async def start(
    *arguments: str, variables: dict[str, str], log: Path
) -> asyncio.subprocess.Process:
    with log.open("wb") as file:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "fogbell_intake", *arguments, env=variables, stderr=file
        )


@pytest.fixture
async def intake(mongo_uri: str, database_name: str, tmp_path: Path) -> AsyncIterator[Process]:
    ready_file, log = tmp_path / "ready.json", tmp_path / "log"
    process = await start(
        "--ready-file",
        str(ready_file),
        variables=environment(mongo_uri, database_name),
        log=log,
    )
    try:
        await eventually(lambda: ready_file.exists() or process.returncode is not None, 60)
        assert process.returncode is None, log.read_text()
        url = json.loads(ready_file.read_text())["url"]
        async with httpx2.AsyncClient(
            base_url=url, headers={"Authorization": f"Bearer {KEY}"}, trust_env=False, timeout=60
        ) as client:
            yield Process(process, client, log)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def test_it_answers_once_its_ready_file_is_there(intake: Process) -> None:
    assert (await intake.client.get("/healthz")).json() == {"status": "ok"}

    async def prepared() -> bool:
        return (await intake.client.get("/readyz")).status_code == 200

    await eventually(prepared)
    answer = await intake.client.put("/v1/recipients/ann", json={})
    assert answer.status_code == 201


async def test_a_stop_lets_requests_under_way_end_and_exits_0(intake: Process) -> None:
    begun, finish = asyncio.Event(), asyncio.Event()

    async def lines() -> AsyncIterator[bytes]:
        yield b'{"id": "early"}\n'
        begun.set()
        await finish.wait()
        yield b'{"id": "late"}\n'

    kind = {"Content-Type": "application/x-ndjson"}
    request = asyncio.create_task(
        intake.client.post("/v1/recipients/import", content=lines(), headers=kind)
    )
    await begun.wait()
    intake.process.send_signal(signal.SIGTERM)
    await eventually(lambda: "intake.stopping" in intake.log.read_text())
    finish.set()
    assert (await request).json()["imported"] == 2
    assert await intake.process.wait() == 0


async def test_its_log_is_json_without_ids_and_keys(intake: Process) -> None:
    await intake.client.put("/v1/recipients/ann@example.org", json={})
    intake.process.send_signal(signal.SIGTERM)
    await intake.process.wait()
    text = intake.log.read_text()
    entries = [json.loads(line) for line in text.splitlines()]
    assert any(entry.get("route") == "/v1/recipients/{id}" for entry in entries)
    assert "ann@example.org" not in text
    assert KEY not in text


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"FOGBELL_BOOTSTRAP_API_KEY": "hunter2"}, "FOGBELL_BOOTSTRAP_API_KEY"),
        ({"FOGBELL_INBOX_TOKEN_SECRET": "hunter2"}, "FOGBELL_INBOX_TOKEN_SECRET"),
        ({"FOGBELL_HTTP__PORT": "eighty"}, "FOGBELL_HTTP__PORT"),
        ({"FOGBELL_HTTP__PROT": "80"}, "FOGBELL_HTTP__PROT"),
        ({"FOGBELL_MONGODB_URI": ""}, "FOGBELL_MONGODB"),
    ],
)
async def test_wrong_settings_are_named_and_exit_2(
    tmp_path: Path, changes: dict[str, str], named: str
) -> None:
    log = tmp_path / "log"
    variables = environment(NO_MONGODB, "unused") | changes
    process = await start(variables=variables, log=log)
    assert await process.wait() == 2
    assert named in log.read_text()
    assert "hunter2" not in log.read_text()


async def readiness(client: httpx2.AsyncClient) -> tuple[int, dict[str, Any]]:
    answer = await client.get("/readyz")
    return answer.status_code, answer.json()


async def test_without_rabbitmq_it_is_ready_and_says_so(mongo_uri: str, database_name: str) -> None:
    async with serving(intake_settings(mongo_uri, database_name, NO_RABBITMQ)) as client:

        async def prepared() -> bool:
            return (await readiness(client))[0] == 200

        await eventually(prepared)
        expected = {"status": "degraded", "mongodb": "ok", "rabbitmq": RABBITMQ_AWAY}
        assert await readiness(client) == (200, expected)


async def test_without_mongodb_it_lives_and_is_not_ready() -> None:
    async with serving(intake_settings(NO_MONGODB, "unused", NO_RABBITMQ)) as client:
        assert (await client.get("/healthz")).status_code == 200
        status, document = await readiness(client)
        assert (status, document["status"]) == (503, "unready")
        assert document["mongodb"].startswith("away")

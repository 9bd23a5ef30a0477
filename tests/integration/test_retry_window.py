"""Retry is a job: it sweeps for its minute, or once, and says by its exit how that went."""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.support.deliveries import claim_all, document, insert_pending, lose_leases
from tests.support.system import Ground, System
from tests.support.waiting import eventually

from fogbell.store import sweep_state
from fogbell.store.database import Database
from fogbell.store.indexes import ensure_indexes
from fogbell_local.processes import Component, Program
from fogbell_local.servers.ports import free_ports

HOLD = "FOGBELL_PROTOCOL__EXPIRY_HOLD_SECONDS"
JOB = "FOGBELL_JOB_NAME"
AWAY = {"FOGBELL_MONGODB__URI": "mongodb://127.0.0.1:1/?replicaSet=rs0"}


@pytest.fixture
async def db(ground: Ground) -> AsyncIterator[Database]:
    database = Database(ground.mongodb, ground.database)
    await ensure_indexes(database)
    yield database
    database.close()


Start = Callable[..., Awaitable[Component]]


@pytest.fixture
async def start(ground: Ground) -> AsyncIterator[Start]:
    """Starts retry with arguments and settings; ``last_second`` is another than 55."""
    started: list[Program] = []

    async def retry(*arguments: str, last_second: int | None = None, **settings: str) -> Component:
        system = System(ground, settings=settings)
        environ, port = system.environ() | settings, free_ports(1)[0]
        environ["FOGBELL_METRICS__PORT"] = str(port)
        command = ["-m", "fogbell_retry"] if last_second is None else ["-c", _LAST % last_second]
        program = await asyncio.to_thread(
            Program, [sys.executable, *command, *arguments], system.logs / "retry.log", env=environ
        )
        started.append(program)
        return Component("retry", "retry", program, port)

    (ground.directory / "logs").mkdir()
    yield retry
    for program in started:
        await asyncio.to_thread(program.terminate, 5)


_LAST = """
import fogbell_retry.window
fogbell_retry.window.LAST_SECOND = %d
from fogbell_retry.__main__ import main
main()
"""


async def _end(retry: Component, within: float = 20) -> tuple[int | None, dict[str, Any]]:
    """Its exit status, and the summary that its log ends with."""
    await eventually(lambda: retry.program.exit_status is not None, within, 0.05)
    return retry.program.exit_status, json.loads(_log(retry)[-1]["summary"])


async def _swept_just_now(db: Database) -> None:
    """As if another window had just ended: no gap in sweeping, so no hold."""
    await sweep_state.observe(db, timedelta(0))


def _minute(moment: datetime) -> int:
    return int(moment.timestamp()) // 60


async def test_once_is_one_sweep_that_releases_what_is_due(start: Start, db: Database) -> None:
    await _swept_just_now(db)
    (delivery,) = await insert_pending(db)
    await claim_all(db, [delivery])
    await lose_leases(db, [delivery])
    status, summary = await _end(await start("--once", **{HOLD: "60"}))
    assert (status, summary["sweeps"]) == (0, 1)
    assert summary["released"]["lease_expired"] == 1
    assert (await document(db, delivery))["status"] == "failed"


async def test_once_waits_a_hold_out_or_leases_would_never_end(start: Start, db: Database) -> None:
    (delivery,) = await insert_pending(db)
    await claim_all(db, [delivery])
    await lose_leases(db, [delivery])
    started = time.monotonic()
    status, summary = await _end(await start("--once", **{HOLD: "2"}))
    assert time.monotonic() - started >= 2
    assert status == 0
    assert 2 <= summary["sweeps"] <= 8
    assert (await document(db, delivery))["status"] == "failed"


async def test_a_window_that_starts_ten_seconds_late_ends_leases_at_once(
    start: Start, db: Database
) -> None:
    """The last one ended long ago, and said until when it would rest: that is no gap."""
    await _swept_just_now(db)
    now = db.clock.now()
    await sweep_state.finished(db, rest_until=now - timedelta(seconds=10))
    last = {"last_sweep_at": now - timedelta(seconds=90), "hold_until": now - timedelta(hours=1)}
    await db.state.update_one({"_id": "sweep"}, {"$set": last})
    (delivery,) = await insert_pending(db)
    await claim_all(db, [delivery])
    await lose_leases(db, [delivery])
    status, summary = await _end(await start("--once", **{HOLD: "60"}))
    assert (status, summary["sweeps"]) == (0, 1)
    assert (await document(db, delivery))["status"] == "failed"


async def test_a_job_that_comes_too_late_sweeps_once_all_the_same(
    start: Start, db: Database
) -> None:
    await _swept_just_now(db)
    late = f"fogbell-retry-{_minute(datetime.now(UTC)) - 2}"
    status, summary = await _end(await start(**{JOB: late}))
    assert (status, summary["sweeps"]) == (0, 1)


async def test_a_window_is_over_by_its_last_second(start: Start, db: Database) -> None:
    await _swept_just_now(db)
    began = datetime.now(UTC)
    end = began.second + 10
    retry = await start(last_second=end, **{JOB: f"fogbell-retry-{_minute(began)}"})
    status, summary = await _end(retry)
    assert status == 0
    assert summary["sweeps"] >= 2
    swept = [line for line in _log(retry) if line["event"] == "swept"]
    last = datetime.fromisoformat(swept[-1]["timestamp"])
    over = datetime.fromtimestamp(_minute(began) * 60 + end, UTC)
    # A sweep may begin until then, and is told of at its end.
    assert over - timedelta(seconds=2) < last <= over + timedelta(seconds=5)
    state = await db.state.find_one({"_id": "sweep"})
    assert state is not None
    assert last <= state["rest_until"] <= last + timedelta(seconds=15 + 5), "a hold, at the most"


async def test_a_window_that_is_told_to_stop_stops(start: Start, db: Database) -> None:
    await _swept_just_now(db)
    coming = f"fogbell-retry-{_minute(datetime.now(UTC)) + 1}"
    retry = await start(**{JOB: coming})
    await eventually(lambda: [line for line in _log(retry) if line["event"] == "swept"], 20)
    await asyncio.to_thread(retry.program.terminate, 10)
    status, summary = await _end(retry)
    assert status == 0
    assert summary["sweeps"] >= 1
    state = await db.state.find_one({"_id": "sweep"})
    assert state is not None
    assert "rest_until" not in state, "nobody knows when the next one comes"


async def test_a_window_without_a_single_good_sweep_fails(start: Start) -> None:
    late = f"fogbell-retry-{_minute(datetime.now(UTC)) - 2}"
    status, summary = await _end(await start(**{JOB: late} | AWAY), within=40)
    assert (status, summary["sweeps"], summary["failed_sweeps"]) == (1, 0, 1)


def _log(retry: Component) -> list[dict[str, Any]]:
    lines = retry.program.log.read_text().splitlines() if retry.program.log.exists() else []
    return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]

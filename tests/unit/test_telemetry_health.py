"""Metrics and probes are answered by the loop that does the work, to anybody who asks properly."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.parser import text_string_to_metric_families

from fogbell.telemetry.health import HealthServer, serve_health


class Process:
    """Something with metrics and needs."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.lacks: dict[str, str] = {}

    async def missing(self) -> dict[str, str]:
        return self.lacks


@pytest.fixture
def process() -> Process:
    return Process()


@pytest.fixture
async def server(process: Process) -> AsyncIterator[HealthServer]:
    server = await serve_health(
        process.registry, "127.0.0.1", 0, process.missing, component="worker", version="1.2"
    )
    yield server
    await server.close()


async def ask(server: HealthServer, request: str) -> tuple[int, str]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(request.encode())
    answer = (await reader.read()).decode()
    writer.close()
    head, _, body = answer.partition("\r\n\r\n")
    return int(head.split(" ")[1]), body


async def get(server: HealthServer, path: str) -> tuple[int, str]:
    return await ask(server, f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")


async def test_metrics_are_what_prometheus_reads(process: Process, server: HealthServer) -> None:
    Counter("fogbell_tries", "Tries.", registry=process.registry).inc()
    status, body = await get(server, "/metrics?x=1")
    assert status == 200
    families = {family.name: family for family in text_string_to_metric_families(body)}
    assert families["fogbell_tries"].samples[0].value == 1
    assert families["fogbell_build_info"].samples[0].labels == {
        "component": "worker",
        "version": "1.2",
    }


async def test_a_process_is_ready_when_it_lacks_nothing(
    process: Process, server: HealthServer
) -> None:
    assert (await get(server, "/readyz"))[0] == 200
    process.lacks = {"rabbitmq": "not connected"}
    status, body = await get(server, "/readyz")
    assert status == 503
    assert json.loads(body) == {"status": "not ready", "missing": {"rabbitmq": "not connected"}}
    assert (await get(server, "/healthz"))[0] == 200


@pytest.mark.parametrize(
    ("request_head", "status"),
    [
        ("GET /nothing HTTP/1.1\r\n\r\n", 404),
        ("POST /metrics HTTP/1.1\r\n\r\n", 405),
        ("nonsense\r\n\r\n", 405),
        ("GET /metrics HTTP/1.1\r\nX: " + "x" * 10_000 + "\r\n\r\n", 431),
    ],
)
async def test_whatever_else_is_asked_is_refused(
    server: HealthServer, request_head: str, status: int
) -> None:
    assert (await ask(server, request_head))[0] == status


async def test_a_connection_that_asks_nothing_is_dropped(
    server: HealthServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fogbell.telemetry.health.REQUEST_TIMEOUT", 0.05)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"GET /metrics")
    assert await asyncio.wait_for(reader.read(), 5) == b""
    writer.close()


async def test_a_taken_port_is_an_error(process: Process, server: HealthServer) -> None:
    with pytest.raises(OSError, match=str(server.port)):
        await HealthServer(process.registry, process.missing).start("127.0.0.1", server.port)

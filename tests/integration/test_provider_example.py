"""docs/examples/provider is installed as a stranger's package, and a worker delivers through it."""

import asyncio
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from tests.support.providers import served
from tests.support.system import Ground, System

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "provider"
TOKEN = "pigeon-secret"


@pytest.fixture
async def installed(tmp_path: Path) -> Path:
    """The example, installed in a folder of its own, without a network."""
    target = tmp_path / "site"
    options = "--quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index"
    source = tmp_path / "source"
    await asyncio.to_thread(_copy, EXAMPLE, source)  # a build leaves nothing in docs/
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pip", "install", *options.split()),
        *("--target", str(target), str(source)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    assert process.returncode == 0, out.decode()
    return target


def _copy(source: Path, target: Path) -> None:
    for file in source.rglob("*"):
        if file.is_file() and "__pycache__" not in file.parts:
            copy = target / file.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(file.read_bytes())


@dataclass
class Pigeons:
    """The imaginary gateway."""

    texts: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)

    @property
    def app(self) -> Starlette:
        return Starlette(routes=[Route("/v1/texts", self._take, methods=["POST"])])

    async def _take(self, request: Request) -> Response:
        if request.headers["authorization"] != f"Bearer {TOKEN}":
            return JSONResponse({}, 401)
        self.texts.append(await request.json())
        self.keys.append(request.headers["idempotency-key"])
        return JSONResponse({}, 202)


async def test_a_worker_delivers_through_a_package_that_only_an_entry_point_names(
    ground: Ground, installed: Path
) -> None:
    pigeons = Pigeons()
    async with served(pigeons.app) as url:
        settings = {
            "PYTHONPATH": str(installed),
            "FOGBELL_OFFERED_CHANNELS": "sms",
            "FOGBELL_CHANNELS": "sms",
            "FOGBELL_PROVIDERS__SMS": "lame-bird,birds",
            **_group("LAME_BIRD", url, "wrong"),
            **_group("BIRDS", url, TOKEN),
        }
        async with System(ground, settings=settings) as system:
            posted = await system.post(
                {
                    "audience": {"addresses": [{"sms": "+15005550006"}]},
                    "channels": ["sms"],
                    "content": {"sms": {"text": "The bell will ring."}},
                }
            )
            await system.settled(posted["id"])
            (delivery,) = await system.deliveries(posted["id"])
    assert pigeons.texts == [{"to": "+15005550006", "from": "Loft", "text": "The bell will ring."}]
    assert pigeons.keys == [delivery["id"]]
    assert delivery["status"] == "delivered"
    tries = [(a["provider"], a["outcome"], a.get("code")) for a in delivery["attempts"]]
    assert tries == [("lame-bird", "transient", "401"), ("birds", "accepted", "202")]
    assert delivery["attempt_count"] == 1
    assert TOKEN not in system.log_text()


def _group(name: str, url: str, token: str) -> dict[str, str]:
    own = {"KIND": "pigeon", "BASE_URL": url, "TOKEN": token, "SENDER": "Loft", "SEND_TIMEOUT": "2"}
    return {f"FOGBELL_PROVIDER__{name}__{key}": value for key, value in own.items()}

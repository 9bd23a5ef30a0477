"""docs/examples as a newcomer has them: every command as it stands, against a running Fogbell."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support import examples
from tests.support.system import SECRETS, Ground, System

from fogbell_local import providers
from fogbell_local.environment import Place
from fogbell_local.providers import LocalProviders

SECONDS = 60


class WholeSystem(System):
    """Everything, with the sink's SMS gateways and FCM as well."""

    @property
    def place(self) -> Place:
        sink = self.ground.sink
        gateways = {name: sink.provider_url(name) for name in providers.GATEWAYS}
        fcm = providers.FCM
        local = LocalProviders(gateways, sink.provider_url(fcm), sink.service_account(fcm))
        return replace(super().place, providers=local)


@pytest.fixture(scope="module")
async def system(module_ground: Ground) -> AsyncIterator[System]:
    settings = {
        "FOGBELL_OFFERED_CHANNELS": f"{providers.CHANNELS},apprise",
        "FOGBELL_APPRISE__SCHEMES": "json",
        "FOGBELL_APPRISE__SEND_TIMEOUT": "3",
        "FOGBELL_APPRISE__CONNECT_TIMEOUT": "1",
        "FOGBELL_APPRISE__READ_TIMEOUT": "2",
    }
    async with WholeSystem(module_ground, settings=settings) as started:
        yield started


def folder(parent: Path, name: str) -> Path:
    """A folder of its own for what a page's commands write."""
    own = parent / name
    own.mkdir()
    return own


async def run(system: System, where: Path, *command: str) -> str:
    """What a command prints in ``where``; it has to end well, and to complain of nothing."""
    own = {
        "FOGBELL_URL": str(system.client.base_url).rstrip("/"),
        "FOGBELL_API_KEY": SECRETS.api_key,
        "SINK_URL": system.ground.sink.webhook_url,
    }
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=where,
        env={**os.environ, **own, "no_proxy": "*"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(SECONDS):
            printed, complaints = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert (process.returncode, complaints.decode()) == (0, ""), printed.decode()
    return printed.decode()


async def test_every_page_prints_what_it_says(system: System, tmp_path: Path) -> None:
    # All at once: each names people of its own.
    scripts = {page.stem: examples.script(page) for page in examples.PAGES}
    outputs = await asyncio.gather(
        *(run(system, folder(tmp_path, name), "sh", "-c", text) for name, text in scripts.items())
    )
    wrong = [
        text
        for page, output in zip(examples.PAGES, outputs, strict=True)
        for text in examples.disagreements(page, output)
    ]
    assert wrong == [], "\n".join(wrong)


async def test_the_python_examples_print_what_they_say(system: System, tmp_path: Path) -> None:
    first, inbox = await asyncio.gather(
        *(
            run(system, folder(tmp_path, name), sys.executable, str(examples.PYTHON / f"{name}.py"))
            for name in ("first", "inbox")
        )
    )
    assert sorted(first.splitlines()) == ["404 not-found", "email delivered", "inbox delivered"]
    assert inbox.splitlines() == ["First bell", "Second bell", "Third bell", "unread: 0"]

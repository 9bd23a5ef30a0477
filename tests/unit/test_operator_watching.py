"""What kopf is given."""

import asyncio
import getpass
from typing import Any

import kopf
import pytest

from fogbell_operator import handlers


async def test_watching_needs_no_name_of_the_user_and_none_of_the_pod(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A number without an entry in /etc/passwd runs the image; kopf would look for its name."""

    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found")

    async def watched(tasks: Any, **_: Any) -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    monkeypatch.delenv("POD_ID", raising=False)
    monkeypatch.setattr(getpass, "getuser", nobody)
    monkeypatch.setattr(kopf, "run_tasks", watched)
    registry = handlers.registry(lambda _: None, lambda _: None)
    taken_back: list[bool] = []
    await handlers.watch(registry, "shop", asyncio.Event(), lambda: taken_back.append(True))
    assert taken_back == [True]

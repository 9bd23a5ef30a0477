"""What kopf is given, and what a cluster is told by."""

import asyncio
import base64
import getpass
from pathlib import Path
from typing import Any

import kopf
import pytest
from lightkube.config import models
from lightkube.config.kubeconfig import SingleConfig
from lightkube.config.models import Context

from fogbell_operator import handlers
from fogbell_operator.cluster import identity


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


def test_what_has_ended_kills_nobody_later() -> None:
    """kopf's own default killed the process of these tests, ten minutes on."""
    assert handlers.settings().process.ultimate_exiting_timeout is None


def test_a_cluster_is_told_by_its_authority_and_not_by_how_it_is_reached(tmp_path: Path) -> None:
    """Inside the cluster it is a file, in a kubeconfig mostly text."""
    file, text = tmp_path / "ca.crt", b"-----BEGIN CERTIFICATE-----\nMII\n"
    file.write_bytes(text + b"\n")

    def told(**authority: Any) -> str:
        context = Context(cluster="c", user="u")
        config = SingleConfig(
            context_name="c",
            context=context,
            cluster=models.Cluster(**authority),
            fname=tmp_path / "kubeconfig",
        )
        return identity(config)

    inside = told(certificate_auth=str(file))
    assert inside == told(certificate_auth_data=base64.b64encode(text).decode())
    assert inside == told(certificate_auth="ca.crt", server="https://10.0.0.1")
    assert inside != told(certificate_auth_data=base64.b64encode(b"another").decode())
    assert told() == ""

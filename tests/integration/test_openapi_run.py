"""Requests generated from the interface's document, against a real intake.

Every answer is one that the document declares, of the shape that it declares, and none is a 500.
Requests come alone and, along the document's links, one after the other: what was made is there,
and what was deleted is gone.
"""

import asyncio
import os
import re
import sys
from pathlib import Path

import httpx2
from tests.support.intake import KEY, intake_settings, serving

from fogbell_intake.routes import TABLE

ROOT = Path(__file__).parents[2]
CONFIGURATION = ROOT / "tests" / "support" / "schemathesis.toml"
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "positive_data_acceptance",
    "use_after_free",
    "ensure_resource_availability",
)
SECONDS = 180
LEAST_LINKS = 8
"""It follows about 14 of them. That each leads somewhere is for test_openapi_links.py."""


async def schemathesis(url: str, token: str, folder: Path) -> tuple[int | None, str]:
    """The exit code and the report of a run; the stream is left out, since it does not end."""
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).parent / "schemathesis"),
        f"--config-file={CONFIGURATION}",
        "--no-color",
        "run",
        str(ROOT / "docs" / "openapi.json"),
        f"--url={url}",
        f"--checks={','.join(CHECKS)}",
        "--phases=fuzzing,stateful",
        "--exclude-path=/v1/inbox/stream",
        "--continue-on-failure",
        cwd=folder,  # it leaves its notes in a folder where it runs
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "FOGBELL_RUN_KEY": KEY, "FOGBELL_RUN_TOKEN": token},
    )
    try:
        async with asyncio.timeout(SECONDS):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode, output.decode()


async def _furnish(client: httpx2.AsyncClient) -> None:
    """Something of each kind, so that lists lead on to what they hold."""
    text = {"email": {"subject": "Fog", "text": "Bell."}, "inbox": {"title": "Fog"}}
    hook = {"url": "https://hooks.example.org/", "events": ["notification.settled"]}
    for method, path, body in (
        ("PUT", "/v1/recipients/ann", {"groups": ["staff"]}),
        ("PUT", "/v1/templates/known", {"locales": {"en": text}}),
        ("PUT", "/v1/suppressions/email/bob@example.org", {}),
        ("POST", "/v1/endpoints", hook),
        ("POST", "/v1/api-keys", {"name": "reader", "scopes": ["read"]}),
        (
            "POST",
            "/v1/notifications",
            {
                "audience": {"recipients": ["ann"]},
                "channels": ["email", "inbox"],
                "template": "known",
            },
        ),
    ):
        answer = await client.request(method, path, json=body)
        assert answer.is_success, answer.text


async def test_intake_answers_what_its_document_declares(
    mongo_uri: str, rabbit_uri: str, database_name: str, topology_prefix: str, tmp_path: Path
) -> None:
    rabbit = {"uri": rabbit_uri, "prefix": topology_prefix}
    settings = intake_settings(mongo_uri, database_name, rabbit_uri, rabbitmq=rabbit)
    async with serving(settings) as client:
        await _furnish(client)
        token = (await client.post("/v1/recipients/ann/tokens")).json()["token"]
        code, report = await schemathesis(str(client.base_url), token, tmp_path)
    assert code == 0, report
    # All of them but the stream.
    assert f"Tested: {len(TABLE) - 1}\n" in report, report
    followed = re.search(r"API Links: +(\d+) covered", report)
    assert followed is not None, report
    assert int(followed[1]) >= LEAST_LINKS, report

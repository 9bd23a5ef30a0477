"""Requests generated from the interface's document, against a real intake.

Every answer is one that the document declares, of the shape that it declares, and none is a 500.
"""

import asyncio
import os
import sys
from pathlib import Path

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
)
SECONDS = 90


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
        "--phases=fuzzing",
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


async def test_intake_answers_what_its_document_declares(
    mongo_uri: str, rabbit_uri: str, database_name: str, topology_prefix: str, tmp_path: Path
) -> None:
    rabbit = {"uri": rabbit_uri, "prefix": topology_prefix}
    settings = intake_settings(mongo_uri, database_name, rabbit_uri, rabbitmq=rabbit)
    async with serving(settings) as client:
        put = await client.put("/v1/recipients/ann", json={"groups": ["staff"]})
        assert put.status_code == 201
        token = (await client.post("/v1/recipients/ann/tokens")).json()["token"]
        code, report = await schemathesis(str(client.base_url), token, tmp_path)
    assert code == 0, report
    # All of them but the stream.
    assert f"Tested: {len(TABLE) - 1}\n" in report, report

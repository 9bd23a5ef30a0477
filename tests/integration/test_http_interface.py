"""The interface's document and its page, as they are served."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.support.directory import Intake, directory_intake

COMMITTED = Path(__file__).parents[2] / "docs" / "openapi.json"


@pytest.fixture(scope="module")
async def intake(mongo_uri: str) -> AsyncIterator[Intake]:
    async with directory_intake(mongo_uri) as served:
        yield served


async def test_the_served_document_is_the_committed_one(intake: Intake) -> None:
    answer = await intake.client.get("/openapi.json", headers={"Authorization": ""})
    assert answer.headers["content-type"] == "application/json"
    assert answer.text == COMMITTED.read_text()


async def test_the_page_loads_nothing_but_what_intake_serves(intake: Intake) -> None:
    page = await intake.client.get("/docs", headers={"Authorization": ""})
    assert page.headers["content-type"].startswith("text/html")
    loaded = re.findall(r'(?:src|href)="([^"]*)"', page.text)
    assert len(loaded) == 3
    for address in loaded:
        assert "//" not in address
        answer = await intake.client.get(str(page.url.join(address)))
        kind = "text/css" if address.endswith(".css") else "text/javascript"
        assert (answer.status_code, answer.headers["content-type"].split(";")[0]) == (200, kind)


async def test_the_page_may_use_its_own_files_only(intake: Intake) -> None:
    policy = (await intake.client.get("/docs")).headers["content-security-policy"]
    allowed = dict(part.split(" ", 1) for part in policy.split("; "))
    assert allowed["default-src"] == "'none'"
    assert allowed["script-src"] == allowed["connect-src"] == "'self'"
    assert "http" not in policy
    assert "unsafe" not in policy
    assert not re.search(r"<script>|<style>| on\w+=", (await intake.client.get("/docs")).text)


async def test_the_page_reads_openapi_3_1(intake: Intake) -> None:
    """Swagger UI does from its version 5 on."""
    script = (await intake.client.get("/docs/swagger-ui-bundle.js")).text
    assert "oas31" in script.lower()
    assert "openapi.json" in (await intake.client.get("/docs/start.js")).text


async def test_other_files_of_the_package_are_not_served(intake: Intake) -> None:
    for name in ("VERSION", "index.css", "..%2f__init__.py"):
        assert (await intake.client.get(f"/docs/{name}")).status_code == 404


async def test_answers_beside_the_page_keep_their_strict_policy(intake: Intake) -> None:
    answer = await intake.client.get("/openapi.json")
    assert answer.headers["content-security-policy"].startswith("default-src 'none'; frame")

"""Importing recipients over HTTP, with a real MongoDB behind."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.support.directory import Intake, directory_intake
from tests.support.waiting import eventually

from fogbell.model.recipient import Recipient
from fogbell.store import recipients

ANN = {"addresses": {"email": "ann@example.org"}, "groups": ["vip"]}


@pytest.fixture(scope="module")
async def intake(mongo_uri: str) -> AsyncIterator[Intake]:
    async with directory_intake(mongo_uri) as served:
        yield served


async def send(intake: Intake, body: bytes, kind: str, *, size: int = 5) -> Any:
    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(body), size):
            yield body[start : start + size]

    return await intake.client.post(
        "/v1/recipients/import", content=chunks(), headers={"Content-Type": kind}
    )


async def test_a_csv_is_imported_and_its_bad_lines_are_named(intake: Intake) -> None:
    answer = await send(
        intake,
        b"\xef\xbb\xbfid,email,groups,attributes.plan\r\n"
        b"csv1,csv1@example.org,a;b,pro\r\n"
        b"csv2,nonsense,,\r\n"
        b'csv3,,,"two\r\nlines"\r\n'
        b"csv\xff,,,\r\n"
        b"csv4,,,\r\n",
        "text/csv; charset=utf-8",
    )
    assert answer.status_code == 200
    report = answer.json()
    assert (report["imported"], report["rejected"], report["errors_truncated"]) == (3, 2, False)
    assert [error["line"] for error in report["errors"]] == [3, 6]
    stored = await recipients.read_many(intake.db, ["csv1", "csv2", "csv3", "csv4"])
    assert sorted(stored) == ["csv1", "csv3", "csv4"]
    assert stored["csv1"].groups == ["a", "b"]


async def test_ndjson_is_imported_and_its_bad_lines_are_named(intake: Intake) -> None:
    lines = [json.dumps({"id": f"nd{n}", **ANN}) for n in range(1200)]
    lines[10] = '{"id": "nd10", "id": "nd10"}'
    lines[700] = "[" * 5000
    answer = await send(intake, "\n".join(lines).encode(), "application/x-ndjson", size=10_000)
    report = answer.json()
    assert (report["imported"], report["rejected"]) == (1198, 2)
    assert [error["line"] for error in report["errors"]] == [11, 701]
    assert await intake.db.recipients.count_documents({"_id": {"$regex": "^nd"}}) == 1198


async def test_only_the_first_thousand_errors_are_listed(intake: Intake) -> None:
    report = (await send(intake, b"x\n" * 1500, "application/x-ndjson", size=100)).json()
    assert (report["imported"], report["rejected"]) == (0, 1500)
    assert len(report["errors"]) == 1000
    assert report["errors_truncated"] is True


async def test_of_two_lines_with_one_id_the_later_stands(intake: Intake) -> None:
    body = b"".join(
        json.dumps({"id": "twin", "attributes": {"n": n}}).encode() + b"\n" for n in range(1300)
    )
    await send(intake, body, "application/x-ndjson", size=1000)
    assert await recipients.get(intake.db, "twin") == Recipient(id="twin", attributes={"n": 1299})


@pytest.mark.parametrize("header", [b"email\n", b"id,emial\n", b"id,id\n", b"", b"\xff\n"])
async def test_a_csv_whose_header_will_not_do_imports_nothing(
    intake: Intake, header: bytes
) -> None:
    answer = await send(intake, header + b"headless,x\n", "text/csv")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-import")
    assert await recipients.get(intake.db, "headless") is None


async def test_an_import_of_nothing_imports_nothing(intake: Intake) -> None:
    report = (await send(intake, b"\n\n", "application/x-ndjson")).json()
    assert report == {"imported": 0, "rejected": 0, "errors": [], "errors_truncated": False}


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "", "text/csv; charset=latin1"])
async def test_an_import_of_another_kind_is_refused(intake: Intake, kind: str) -> None:
    answer = await send(intake, b"id\nann\n", kind)
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported-media-type")


async def test_an_import_that_breaks_off_keeps_what_was_read(intake: Intake) -> None:
    reader, writer = await asyncio.open_connection(*intake.address)
    key = intake.client.headers["authorization"]
    lines = b"".join(b'{"id": "cut%d"}\n' % n for n in range(600))
    writer.write(
        b"POST /v1/recipients/import HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n"
        b"Content-Type: application/x-ndjson\r\nAuthorization: "
        + key.encode()
        + b"\r\n\r\n"
        + lines
    )
    await writer.drain()

    async def first_batch_is_stored() -> bool:
        return await recipients.get(intake.db, "cut499") is not None

    await eventually(first_batch_is_stored)
    writer.close()
    await writer.wait_closed()
    assert reader.at_eof() or await reader.read() == b""

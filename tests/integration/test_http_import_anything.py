"""Imports of anything at all: each record is stored whole or reported, and none is half-written."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.support.directory import Intake, directory_intake

from fogbell.model.recipient import Recipient
from fogbell.store import recipients
from fogbell_intake.records import Bad, CsvRecords, LineSplitter, NdjsonRecords

IDS = st.sampled_from(["ann", "bob", "eve", "a.b", "x@y"])
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(st.characters(), max_size=12)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=6) | st.sampled_from(["$set", "a.b", "", "_id"]), inner)
    ),
    max_leaves=6,
)
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "id": IDS | VALUES,
        "_id": VALUES,
        "addresses": st.fixed_dictionaries({}, optional={"email": VALUES, "sms": VALUES}) | VALUES,
        "locale": st.sampled_from(["de", "de-AT"]) | VALUES,
        "time_zone": st.sampled_from(["Europe/Vienna"]) | VALUES,
        "groups": st.lists(st.sampled_from(["staff", "vip"]) | VALUES, max_size=3) | VALUES,
        "attributes": st.dictionaries(st.text(max_size=6), VALUES, max_size=3) | VALUES,
        "unknown": VALUES,
    },
)
LINES = st.one_of(
    FIELDS.map(lambda fields: json.dumps(fields).encode()),
    st.builds(lambda name: json.dumps({"id": name, "groups": ["staff"]}).encode(), IDS),
    st.binary(max_size=30),
)
CELLS = st.text(st.characters(codec="utf-8"), max_size=12) | st.sampled_from(['"', "\r\n", "ann"])
ROWS = st.lists(CELLS, min_size=1, max_size=5).map(lambda cells: ",".join(cells).encode())
HEADER = b"id,email,groups,attributes.note\n"
SOME = settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@pytest.fixture(scope="module")
async def intake(mongo_uri: str) -> AsyncIterator[Intake]:
    async with directory_intake(mongo_uri) as served:
        yield served


def _read(records: CsvRecords | NdjsonRecords, body: bytes) -> list[Recipient | Bad]:
    """What the body holds: for properties of the reading itself see tests/unit/test_imports.py."""
    lines = LineSplitter()
    split = [*lines.feed(body), *lines.finish()]
    found = [entry for line in split for entry in records.feed(line)]
    return [*found, *records.finish()]


async def _assert_stored_or_reported(
    intake: Intake, kind: str, body: bytes, entries: list[Recipient | Bad]
) -> None:
    await intake.db.recipients.delete_many({})
    answer = await intake.client.post(
        "/v1/recipients/import", content=body, headers={"Content-Type": kind}
    )
    assert answer.status_code == 200, answer.text
    report: dict[str, Any] = answer.json()
    good = [entry for entry in entries if isinstance(entry, Recipient)]
    bad = [entry.line for entry in entries if isinstance(entry, Bad)]
    assert (report["imported"], report["rejected"]) == (len(good), len(bad))
    assert [error["line"] for error in report["errors"]] == bad
    last = {recipient.id: recipient for recipient in good}
    assert await recipients.read_many(intake.db, list(last)) == last
    assert await intake.db.recipients.count_documents({}) == len(last)
    for name in last:
        assert (await intake.client.get(f"/v1/recipients/{name}")).status_code == 200


@SOME
@given(st.lists(LINES, max_size=6).map(b"\n".join))
@example(b'{"id": "ann", "attributes": {"a": 9223372036854775807}}')
@example(b'{"id": "ann", "attributes": {"a.b": 1, "": 2}}\n{"id": "ann", "attributes": {"$a": 1}}')
@example(b'{"id": "ann", "attributes": {"a": "\\u0000"}}\n{"id": "bob", "groups": ["\\u0000"]}')
async def test_whatever_ndjson_holds_is_stored_whole_or_reported(
    intake: Intake, body: bytes
) -> None:
    entries = _read(NdjsonRecords(), body)
    await _assert_stored_or_reported(intake, "application/x-ndjson", body, entries)


@SOME
@given(st.lists(ROWS | st.binary(max_size=20), max_size=6).map(b"\n".join))
@example(b"ann,ann@example.org,staff;vip,hi\nann,,,\x00\n")
async def test_whatever_csv_holds_is_stored_whole_or_reported(intake: Intake, body: bytes) -> None:
    entries = _read(CsvRecords(), HEADER + body)
    await _assert_stored_or_reported(intake, "text/csv", HEADER + body, entries)

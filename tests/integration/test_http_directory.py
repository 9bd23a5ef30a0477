"""Recipients, templates and their import over HTTP, with a real MongoDB behind."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.support.directory import Intake, directory_intake
from tests.support.waiting import eventually

from fogbell.model.recipient import Recipient
from fogbell.store import recipients

ANN = {
    "addresses": {
        "email": "ann@Example.org",
        "webhook": {"url": "https://x.example/hook", "secrets": ["whsec_hunter2"]},
    },
    "locale": "de-AT",
    "groups": ["vip"],
    "attributes": {"first_name": "Ann"},
}


@pytest.fixture(scope="module")
async def intake(mongo_uri: str) -> AsyncIterator[Intake]:
    async with directory_intake(mongo_uri) as served:
        yield served


def template(subject: str, **others: Any) -> dict[str, Any]:
    parts = {"email": {"subject": subject, "text": "Order {{ data.order }}"}}
    return {"locales": {"en": parts}, **others}


async def test_a_recipient_is_created_then_replaced(intake: Intake) -> None:
    created = await intake.client.put("/v1/recipients/ann", json=ANN)
    assert created.status_code == 201
    assert created.headers["location"] == "/v1/recipients/ann"
    replaced = await intake.client.put("/v1/recipients/ann", json={"id": "ann", **ANN})
    assert replaced.status_code == 200
    read = await intake.client.get("/v1/recipients/ann")
    assert read.status_code == 200
    assert created.json() == replaced.json() == read.json()
    assert read.json() == {
        "id": "ann",
        "addresses": {
            "email": "ann@example.org",
            "sms": None,
            "push": [],
            "webhook": {"url": "https://x.example/hook", "secret_count": 1},
        },
        "locale": "de-AT",
        "time_zone": None,
        "groups": ["vip"],
        "attributes": {"first_name": "Ann"},
    }


async def test_secrets_are_stored_and_never_answered(intake: Intake) -> None:
    answers = [
        await intake.client.put("/v1/recipients/secretive", json=ANN),
        await intake.client.get("/v1/recipients/secretive"),
    ]
    assert "hunter2" not in "".join(answer.text for answer in answers)
    stored = await recipients.get(intake.db, "secretive")
    assert stored is not None
    assert stored.addresses.webhook is not None
    assert stored.addresses.webhook.secrets[0].get_secret_value() == "whsec_hunter2"


async def test_sending_back_what_was_read_never_loses_secrets_in_silence(intake: Intake) -> None:
    await intake.client.put("/v1/recipients/careful", json=ANN)
    read = (await intake.client.get("/v1/recipients/careful")).json()
    answer = await intake.client.put("/v1/recipients/careful", json=read)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "#/addresses/webhook/secret_count"


async def test_a_deleted_recipient_is_gone(intake: Intake) -> None:
    await intake.client.put("/v1/recipients/leaver", json={})
    assert (await intake.client.delete("/v1/recipients/leaver")).status_code == 204
    for answer in (
        await intake.client.delete("/v1/recipients/leaver"),
        await intake.client.get("/v1/recipients/leaver"),
    ):
        assert answer.status_code == 404
        assert answer.json()["code"] == "not-found"


async def test_ids_that_are_addresses_work(intake: Intake) -> None:
    path = "/v1/recipients/tenant:ann.b-c_d@example.org"
    assert (await intake.client.put(path, json={})).status_code == 201
    assert (await intake.client.get(path)).json()["id"] == "tenant:ann.b-c_d@example.org"


@pytest.mark.parametrize("name", ["a%20b", "%00", "%C3%A9", "x" * 129, "a;b", "$where"])
async def test_ids_that_nobody_can_have_are_refused(intake: Intake, name: str) -> None:
    put = await intake.client.put(f"/v1/recipients/{name}", json={})
    assert (put.status_code, put.json()["code"]) == (422, "invalid-parameter")
    assert (await intake.client.get(f"/v1/recipients/{name}")).status_code == 404
    assert (await intake.client.delete(f"/v1/recipients/{name}")).status_code == 404


async def test_a_body_with_another_id_than_the_path_is_refused(intake: Intake) -> None:
    answer = await intake.client.put("/v1/recipients/ann", json={"id": "bob"})
    assert answer.json()["errors"] == [
        {"pointer": "#/id", "detail": "expected the id of the path, or no id"}
    ]


async def test_a_refused_put_leaves_the_recipient_as_it_was(intake: Intake) -> None:
    await intake.client.put("/v1/recipients/steady", json=ANN)
    before = (await intake.client.get("/v1/recipients/steady")).json()
    answer = await intake.client.put(
        "/v1/recipients/steady", json={"addresses": {"email": "no"}, "grops": []}
    )
    assert answer.status_code == 422
    assert [e["pointer"] for e in answer.json()["errors"]] == ["#/addresses/email", "#/grops"]
    assert (await intake.client.get("/v1/recipients/steady")).json() == before


async def test_a_template_gets_a_version_for_each_new_content(intake: Intake) -> None:
    first = await intake.client.put("/v1/templates/welcome", json=template("Hi"))
    again = await intake.client.put("/v1/templates/welcome", json=template("Hi"))
    other = await intake.client.put("/v1/templates/welcome", json=template("Hello"))
    assert [first.status_code, again.status_code, other.status_code] == [201, 200, 201]
    assert first.headers["location"] == "/v1/templates/welcome/versions/1"
    assert [a.json()["version"] for a in (first, again, other)] == [1, 1, 2]
    latest = await intake.client.get("/v1/templates/welcome")
    pinned = await intake.client.get("/v1/templates/welcome/versions/1")
    assert latest.json() == other.json()
    assert pinned.json() == first.json()


@pytest.mark.parametrize("path", ["nothing", "UPPER", "welcome/versions/99", "welcome/versions/x"])
async def test_a_template_that_is_not_there_is_404(intake: Intake, path: str) -> None:
    answer = await intake.client.get(f"/v1/templates/{path}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")


REFUSED_TEMPLATES: dict[str, tuple[dict[str, Any], str, str]] = {
    "bad Liquid": (template("Hi {{ x"), "template-syntax", "#/locales/en/email/subject"),
    "an unknown tag": (
        {"locales": {"en": {"sms": {"text": "{% include 'x' %}"}}}},
        "template-syntax",
        "#/locales/en/sms/text",
    ),
    "bad Liquid within data": (
        {"locales": {"en": {"webhook": {"type": "x", "data": {"a": ["{{"]}}}}},
        "template-syntax",
        "#/locales/en/webhook/data/a/0",
    ),
    "no locale": ({"locales": {}}, "invalid-body", "#/locales"),
    "no default locale": (template("Hi", default_locale="de"), "invalid-body", "#/default_locale"),
    "a channel that the default locale lacks": (
        {"locales": {"en": {"sms": {"text": "x"}}, "de": {"inbox": {"title": "x"}}}},
        "invalid-body",
        "#/locales/de/inbox",
    ),
    "a line break in a header": (template("a\nb"), "invalid-body", "#/locales/en/email/subject"),
    "an unknown channel": ({"locales": {"en": {"fax": {}}}}, "invalid-body", "#/locales/en/fax"),
}


@pytest.mark.parametrize(
    ("body", "code", "place"), REFUSED_TEMPLATES.values(), ids=REFUSED_TEMPLATES
)
async def test_a_template_that_cannot_be_is_refused_with_its_place(
    intake: Intake, body: dict[str, Any], code: str, place: str
) -> None:
    answer = await intake.client.put("/v1/templates/refused", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert answer.json()["errors"][0]["pointer"] == place
    assert (await intake.client.get("/v1/templates/refused")).status_code == 404


async def preview(intake: Intake, **body: Any) -> Any:
    return await intake.client.post("/v1/templates/previewed/preview", json=body)


@pytest.fixture(scope="module")
async def previewed(intake: Intake) -> None:
    body = {
        "sample_data": {"order": "S-1"},
        "locales": {
            "en": {
                "email": {
                    "subject": "Hi {{ recipient.attributes.first_name | default: 'there' }}",
                    "text": "Order {{ data.order }}",
                },
                "inbox": {"title": "Order {{ data.order }}", "body": "{{ notification.id }}"},
            },
            "de": {"email": {"subject": "Hallo", "text": "Bestellung {{ data.order }}"}},
        },
    }
    await intake.client.put("/v1/templates/previewed", json=body)
    await intake.client.put("/v1/recipients/reader", json=ANN)


@pytest.mark.usefixtures("previewed")
class TestPreview:
    async def test_every_part_is_rendered_with_the_sample_data(self, intake: Intake) -> None:
        answer = await preview(intake)
        assert answer.status_code == 200
        assert answer.json()["parts"]["email"]["subject"] == "Hi there"
        assert answer.json()["parts"]["email"]["text"] == "Order S-1"
        assert answer.json()["parts"]["inbox"]["title"] == "Order S-1"

    async def test_a_recipient_of_the_directory_brings_locale_and_attributes(
        self, intake: Intake
    ) -> None:
        answer = (await preview(intake, recipient="reader", data={"order": "A-1"})).json()
        assert answer["locale"] == "de-AT"
        assert answer["parts"]["email"]["text"] == "Bestellung A-1"
        assert answer["parts"]["inbox"]["title"] == "Order A-1"

    async def test_a_recipient_may_be_made_up(self, intake: Intake) -> None:
        made_up = {"attributes": {"first_name": "Zoe"}}
        answer = (await preview(intake, recipient=made_up, channel="email", locale="en")).json()
        assert list(answer["parts"]) == ["email"]
        assert answer["parts"]["email"]["subject"] == "Hi Zoe"

    async def test_each_missing_variable_is_named(self, intake: Intake) -> None:
        answer = await preview(intake, data={})
        assert (answer.status_code, answer.json()["code"]) == (422, "missing-variable")
        assert answer.json()["errors"] == [
            {"pointer": "#/data/order", "detail": "email/text uses data.order"},
            {"pointer": "#/data/order", "detail": "inbox/title uses data.order"},
        ]

    @pytest.mark.parametrize(
        ("body", "status", "code"),
        [
            ({"recipient": "nobody"}, 422, "unknown-recipient"),
            ({"channel": "sms"}, 422, "missing-channel"),
            ({"channel": "fax"}, 422, "invalid-body"),
            ({"version": 9}, 404, "not-found"),
            ({"version": "1"}, 422, "invalid-body"),
            ({"dta": {}}, 422, "invalid-body"),
        ],
    )
    async def test_what_cannot_be_previewed_is_refused(
        self, intake: Intake, body: dict[str, Any], status: int, code: str
    ) -> None:
        answer = await preview(intake, **body)
        assert (answer.status_code, answer.json()["code"]) == (status, code)

    async def test_a_line_break_cannot_get_into_a_subject(self, intake: Intake) -> None:
        await intake.client.put("/v1/templates/injected", json=template("{{ data.order }}"))
        answer = await intake.client.post(
            "/v1/templates/injected/preview", json={"data": {"order": "a\r\nBcc: eve@example.org"}}
        )
        assert (answer.status_code, answer.json()["code"]) == (422, "template-failed")
        assert "eve" not in answer.text


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

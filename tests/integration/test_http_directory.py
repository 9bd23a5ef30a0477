"""Recipients, templates and their import over HTTP, with a real MongoDB behind."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.support.directory import Intake, directory_intake

from fogbell.store import recipients

ANN = {
    "addresses": {
        "email": "ann@Example.org",
        "webhook": {"url": "https://x.example/hook", "secrets": ["whsec_hunter2"]},
        "apprise": {"url": "tgram://110201543:hunter2/7"},
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
            "apprise": {"scheme": "tgram"},
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
    assert stored.addresses.apprise is not None
    assert stored.addresses.apprise.url.get_secret_value() == "tgram://110201543:hunter2/7"


async def test_a_refused_secret_is_not_repeated(intake: Intake) -> None:
    body = {"addresses": {"apprise": {"url": "tgram hunter2"}}}
    answer = await intake.client.put("/v1/recipients/refused", json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "#/addresses/apprise/url"
    assert "hunter2" not in answer.text


async def test_sending_back_what_was_read_never_loses_secrets_in_silence(intake: Intake) -> None:
    await intake.client.put("/v1/recipients/careful", json=ANN)
    read = (await intake.client.get("/v1/recipients/careful")).json()
    answer = await intake.client.put("/v1/recipients/careful", json=read)
    assert answer.status_code == 422
    pointers = [error["pointer"] for error in answer.json()["errors"]]
    assert "#/addresses/webhook/secret_count" in pointers
    assert "#/addresses/apprise/url" in pointers


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
    "a sender without an address": (
        {"locales": {"en": {"email": {"subject": "x", "text": "x", "from": "nobody"}}}},
        "invalid-body",
        "#/locales/en/email/from",
    ),
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

"""The sink's SMS gateways and FCM: spoken to by the worker's own senders, and by strangers."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from fogbell_local.sink import Behaviour, Outage, SinkServer, service_account, sms
from fogbell_worker.channels.push.service_account import read_service_account
from fogbell_worker.channels.push.tokens import AccessTokens, TokenError
from fogbell_worker.http.client import trust

FORM = {"To": "+447700900001", "From": sms.SENDER, "Body": "Ring"}
MESSAGE = {
    "token": "device",
    "notification": {"title": "Ring"},
    "android": {"notification": {"tag": "d-1"}},
}


@pytest.fixture
async def client(mail_sink: SinkServer) -> AsyncIterator[httpx2.AsyncClient]:
    url = f"http://127.0.0.1:{mail_sink.providers_port}"
    async with httpx2.AsyncClient(base_url=url, trust_env=False) as client:
        yield client


async def text(
    client: httpx2.AsyncClient, gateway: str, *, account: str = sms.ACCOUNT,
    token: str = sms.TOKEN, **form: str,
) -> httpx2.Response:  # fmt: skip
    path = f"/{gateway}/2010-04-01/Accounts/{account}/Messages.json"
    return await client.post(path, data=FORM | form, auth=(account, token))


async def push(
    client: httpx2.AsyncClient, access: str, message: object, project: str = service_account.PROJECT
) -> httpx2.Response:
    headers = {"Authorization": f"Bearer {access}"}
    path = f"/fcm/v1/projects/{project}/messages:send"
    return await client.post(path, json={"message": message}, headers=headers)


def tokens(file: Path) -> AccessTokens:
    return AccessTokens(read_service_account(file.read_text()).credentials, trust(None))


async def test_a_text_is_in_the_ledger_before_its_sid_is_told(
    mail_sink: SinkServer, client: httpx2.AsyncClient
) -> None:
    answer = await text(client, "gateway-a")
    (entry,) = mail_sink.entries()
    assert answer.status_code == 201
    assert answer.json()["sid"].startswith("SM")
    assert (entry.provider, entry.to, entry.text) == ("gateway-a", ("+447700900001",), "Ring")
    assert (entry.channel, entry.outcome, entry.delivery) == ("sms", "accepted", "")


async def test_a_gateway_that_is_out_answers_503_while_the_other_goes_on(
    mail_sink: SinkServer, client: httpx2.AsyncClient
) -> None:
    mail_sink.restart(Behaviour(outage=Outage("gateway-a", after=1, lasts=2)))
    answers = [await text(client, "gateway-a") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [201, 503, 503, 201]
    assert answers[1].json()["code"] == 20503
    assert (await text(client, "gateway-b")).status_code == 201
    told = [f"{entry.provider} {entry.outcome} {entry.code}" for entry in mail_sink.entries()]
    accepted, refused = "gateway-a accepted 201", "gateway-a refused 503"
    assert told == [accepted, refused, refused, accepted, "gateway-b accepted 201"]


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"token": "wrong"}, 401, 20003),
        ({"account": "AC1"}, 404, 20404),
        ({"To": ""}, 400, 21604),
        ({"From": ""}, 400, 21603),
        ({"Body": ""}, 400, 21602),
        ({"Body": "x" * 1601}, 400, 21617),
    ],
)
async def test_a_post_that_is_none_is_told_why_and_leaves_nothing(
    mail_sink: SinkServer,
    client: httpx2.AsyncClient,
    change: dict[str, str],
    status: int,
    code: int,
) -> None:
    answer = await text(client, "gateway-a", **change)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert mail_sink.entries() == []


async def test_a_number_that_fails_on_purpose_is_refused_for_good(
    mail_sink: SinkServer, client: httpx2.AsyncClient
) -> None:
    answer = await text(client, "gateway-a", To="+15005550004")
    assert (answer.status_code, answer.json()["code"]) == (400, 21610)
    (entry,) = mail_sink.entries()
    assert (entry.outcome, entry.code) == ("refused", 400)


async def test_a_push_is_in_the_ledger_under_its_tag(
    mail_sink: SinkServer, client: httpx2.AsyncClient
) -> None:
    giver = tokens(mail_sink.service_account("fcm"))
    access = await giver.get()
    answer = await push(client, access, MESSAGE)
    assert answer.status_code == 200, answer.text
    (entry,) = mail_sink.entries()
    assert (entry.channel, entry.provider, entry.delivery) == ("push", "fcm", "d-1")
    assert (entry.to, entry.text, entry.code) == (("device",), "Ring", 200)
    gone = await push(client, access, MESSAGE | {"token": "gone-1"})
    assert gone.json()["error"]["details"][0]["errorCode"] == "UNREGISTERED"
    await giver.close()


async def test_only_who_holds_the_key_may_push(
    mail_sink: SinkServer, client: httpx2.AsyncClient, tmp_path: Path
) -> None:
    file = mail_sink.service_account("fcm")
    assert file.stat().st_mode & 0o777 == 0o600
    stranger = tmp_path / "stranger.json"
    service_account.write(stranger, json.loads(file.read_text())["token_uri"])
    giver = tokens(stranger)
    with pytest.raises(TokenError, match="invalid_grant"):
        await giver.get()
    await giver.close()
    assert (await push(client, "made-up", MESSAGE)).status_code == 401
    assert mail_sink.entries() == []


@pytest.mark.parametrize("message", [{}, [], {"token": "t"}, MESSAGE | {"data": {"n": 1}}])
async def test_a_message_that_no_device_could_show_is_no_message(
    mail_sink: SinkServer, client: httpx2.AsyncClient, message: object
) -> None:
    giver = tokens(mail_sink.service_account("fcm"))
    access = await giver.get()
    assert (await push(client, access, message)).status_code == 400
    assert (await push(client, access, MESSAGE, "elsewhere")).status_code == 403
    await giver.close()
    assert mail_sink.entries() == []


async def test_what_is_no_provider_is_not_found(client: httpx2.AsyncClient) -> None:
    assert (await client.post("/nothing")).status_code == 404
    assert (await client.get("/fcm/token")).status_code == 405

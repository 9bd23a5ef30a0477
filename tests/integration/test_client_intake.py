"""Every method of the clients against a real intake with a real MongoDB."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.directory import Intake, directory_intake
from tests.support.inbox import store_items
from tests.support.intake import KEY

from fogbell_client import AsyncFogbell, AsyncInbox, Fogbell, Inbox, ProblemError
from fogbell_client.bodies import NotificationBody


@pytest.fixture(scope="module")
async def intake(mongo_uri: str) -> AsyncIterator[Intake]:
    async with directory_intake(mongo_uri) as served:
        yield served


@pytest.fixture(scope="module")
async def client(intake: Intake) -> AsyncIterator[AsyncFogbell]:
    async with AsyncFogbell(str(intake.client.base_url), KEY) as own:
        yield own


def post(address: str = "ann@example.org", **others: Any) -> NotificationBody:
    body: NotificationBody = {
        "audience": {"addresses": [{"email": address}]},
        "channels": ["email"],
        "content": {"email": {"subject": "Fog", "text": "Bell."}},
    }
    body.update(others)  # type: ignore[typeddict-item]
    return body


async def code(awaitable: Any) -> str:
    with pytest.raises(ProblemError) as raised:
        await awaitable
    return raised.value.code


async def listed(items: Any) -> list[Any]:
    return [item async for item in items]


async def test_a_notification_is_posted_read_and_listed(client: AsyncFogbell) -> None:
    accepted = await client.post(post(reference="r-1"), idempotency_key="once")
    assert accepted == await client.post(post(reference="r-1"), idempotency_key="once")
    assert await code(client.post(post("b@example.org"), idempotency_key="once")) == (
        "idempotency-mismatch"
    )
    read = await client.notification(accepted["id"])
    assert read["totals"]["pending"] == 1
    (delivery,) = await listed(client.deliveries(accepted["id"], status="pending"))
    assert await client.delivery(delivery["id"]) == delivery
    assert await listed(client.deliveries(accepted["id"], channel="inbox")) == []
    (found,) = await listed(client.notifications(reference="r-1"))
    assert (found["id"], found["totals"]) == (accepted["id"], None)


async def test_a_notification_is_cancelled_and_replayed(client: AsyncFogbell) -> None:
    accepted = await client.post(post())
    cancelled = await client.cancel(accepted["id"])
    assert cancelled["totals"]["cancelled"] == 1
    assert await client.cancel(accepted["id"]) == cancelled
    assert await code(client.replay(accepted["id"])) == "not-replayable"
    replayed = await client.replay(accepted["id"], status=["cancelled"], channel="email")
    assert replayed["replayed"] == 1
    assert replayed["totals"]["pending"] == 1
    assert (await client.replay(accepted["id"]))["replayed"] == 0


async def test_a_batch_answers_for_each_item(client: AsyncFogbell) -> None:
    answer = await client.post_batch([post(), post(channels=[]), post()])
    assert [result["status"] for result in answer["results"]] == [202, 422, 202]
    assert answer["results"][1]["problem"]["code"] == "invalid-body"
    first = answer["results"][0]["notification"]["id"]
    assert (await client.notification(first))["expected"] == 1


async def test_a_recipient_is_put_patched_listed_and_deleted(client: AsyncFogbell) -> None:
    put = await client.put_recipient("bob", {"addresses": {"email": "bob@example.org"}})
    assert put == await client.recipient("bob")
    patched = await client.patch_recipient("bob", {"locale": "de", "groups": ["patched"]})
    assert patched == put | {"locale": "de", "groups": ["patched"]}
    assert await listed(client.recipients(group="patched")) == [patched]
    accepted = await client.post(post(audience={"recipients": ["bob"]}))
    (got,) = await listed(client.recipient_deliveries("bob"))
    assert got["notification_id"] == accepted["id"]
    await client.delete_recipient("bob")
    assert await code(client.recipient("bob")) == "not-found"


@pytest.mark.parametrize("name", ["...", "a@b:c", "..", "x" * 128])
async def test_any_id_that_intake_takes_can_be_named(client: AsyncFogbell, name: str) -> None:
    assert (await client.put_recipient(name, {}))["id"] == name
    assert (await client.recipient(name))["id"] == name
    await client.delete_recipient(name)


async def test_lists_go_on_over_all_pages(client: AsyncFogbell) -> None:
    for number in range(5):
        await client.put_recipient(f"paged-{number}", {"groups": ["paged"]})
    found = await listed(client.recipients(group="paged", page_size=2))
    assert [recipient["id"] for recipient in found] == [f"paged-{n}" for n in range(5)]


async def test_imports_take_every_source(client: AsyncFogbell, tmp_path: Path) -> None:
    def line(name: str) -> bytes:
        return json.dumps({"id": f"import-{name}", "groups": ["imported"]}).encode() + b"\n"

    def blocking() -> Iterator[bytes]:
        yield line("iterable")

    async def streaming() -> AsyncIterator[bytes]:
        yield line("async")

    file = tmp_path / "people.ndjson"
    file.write_bytes(line("path") + b"{}\n")
    kind = "application/x-ndjson"
    report = await client.import_recipients(file)
    assert (report["imported"], report["rejected"]) == (1, 1)
    assert report["errors"][0]["line"] == 2
    for source in (line("bytes"), blocking(), streaming()):
        assert (await client.import_recipients(source, kind))["imported"] == 1
    with file.open("rb") as opened:
        assert (await client.import_recipients(opened, kind))["imported"] == 1
    names = [found["id"] for found in await listed(client.recipients(group="imported"))]
    assert names == [f"import-{name}" for name in ("async", "bytes", "iterable", "path")]


async def test_a_template_is_stored_read_and_previewed(client: AsyncFogbell) -> None:
    texts = {"email": {"subject": "Order {{ data.order }}", "text": "T"}}
    stored = await client.put_template(
        "order", {"sample_data": {"order": "A-1"}, "locales": {"en": texts}}
    )
    assert stored == await client.template("order") == await client.template("order", 1)
    preview = await client.preview_template("order", {"channel": "email"})
    assert preview["parts"]["email"]["subject"] == "Order A-1"
    assert await code(client.template("order", 2)) == "not-found"


async def test_an_address_is_suppressed_looked_up_and_lifted(client: AsyncFogbell) -> None:
    hook = "https://hooks.example.org/in?team=a/b&x=%20"
    stored = await client.suppress("webhook", hook, reason="gone")
    assert stored == await client.suppression("webhook", hook)
    assert (stored["address"], stored["reason"]) == (hook, "gone")
    assert (await client.suppress("email", "no@example.org"))["reason"] == "manual"
    await client.delete_suppression("webhook", hook)
    assert await code(client.suppression("webhook", hook)) == "not-found"


async def test_a_key_is_created_used_listed_and_deleted(client: AsyncFogbell) -> None:
    created = await client.create_api_key({"name": "reader", "scopes": ["read"], "mode": "test"})
    async with AsyncFogbell(client.url, created["key"]) as other:
        assert await code(other.post(post())) == "missing-scope"
    assert created["id"] in [key["id"] for key in await listed(client.api_keys(page_size=1))]
    await client.delete_api_key(created["id"])
    assert await code(client.delete_api_key(created["id"])) == "not-found"


async def test_an_inbox_is_read_and_marked(client: AsyncFogbell, intake: Intake) -> None:
    await client.put_recipient("ann", {})
    await store_items(intake.db, "ann", ["one", "two"])
    token = await client.create_inbox_token("ann")
    async with AsyncInbox(client.url, token["token"]) as inbox:
        newest, oldest = await listed(inbox.items(page_size=1))
        assert (await inbox.mark_seen(newest["id"]))["seen_at"]
        assert (await inbox.mark_read(newest["id"]))["read_at"]
        assert [item["id"] for item in await listed(inbox.items(unread=True))] == [oldest["id"]]
        assert (await inbox.archive(oldest["id"]))["archived_at"]
        assert [item["id"] for item in await listed(inbox.items())] == [newest["id"]]
        assert len(await listed(inbox.items(archived=True))) == 2


async def test_the_blocking_clients_do_the_same(client: AsyncFogbell, intake: Intake) -> None:
    await store_items(intake.db, "carl", ["one"])

    def use() -> None:
        with Fogbell(client.url, KEY) as fogbell:
            fogbell.put_recipient("carl", {"groups": ["sync"]})
            accepted = fogbell.post(post(audience={"recipients": ["carl"]}))
            assert fogbell.notification(accepted["id"])["totals"]["skipped"] == 1
            assert [found["id"] for found in fogbell.recipients(group="sync")] == ["carl"]
            token = fogbell.create_inbox_token("carl")["token"]
            with Inbox(client.url, token) as inbox:
                (item,) = inbox.items()
                assert inbox.mark_read(item["id"])["read_at"]
            fogbell.delete_recipient("carl")

    await asyncio.to_thread(use)


async def test_the_documented_examples_run(
    client: AsyncFogbell, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = Path(__file__).parents[2] / "docs" / "client.md"
    sync, asynchronous, _ = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    monkeypatch.setenv("FOGBELL_URL", client.url)
    monkeypatch.setenv("FOGBELL_API_KEY", KEY)
    for example in (sync, asynchronous):
        await asyncio.to_thread(exec, example, {})
    printed = capsys.readouterr().out
    assert "inbox delivered\n" in printed
    assert "404 not-found\n" in printed

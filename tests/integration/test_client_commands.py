"""The client's commands against a real intake: what they print, and how they end."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from tests.support.directory import Intake, directory_intake
from tests.support.intake import KEY
from typer.testing import CliRunner, Result

from fogbell_client import AsyncFogbell
from fogbell_local.__main__ import app

Run = Callable[..., Coroutine[Any, Any, Result]]


@pytest.fixture(scope="module")
def _quiet() -> Iterator[None]:
    """Intake's log goes nowhere: a command that runs in this process owns standard output."""
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="module")
async def intake(mongo_uri: str, _quiet: None) -> AsyncIterator[Intake]:
    async with directory_intake(mongo_uri) as served:
        yield served


@pytest.fixture
def run(intake: Intake) -> Run:
    """Runs `fogbell` in a thread, while the loop serves intake."""
    environ = {"FOGBELL_URL": str(intake.client.base_url), "FOGBELL_API_KEY": KEY, "COLUMNS": "200"}

    async def invoke(*arguments: str) -> Result:
        runner = CliRunner(env=environ)
        return await asyncio.to_thread(runner.invoke, app, arguments)

    return invoke


async def test_templates_go_into_fogbell_and_back(run: Run, tmp_path: Path) -> None:
    texts = tmp_path / "order" / "locales" / "en"
    texts.mkdir(parents=True)
    (texts / "email.subject").write_text("Order {{ data.order }}\n")
    (texts / "email.text").write_text("Hi.")
    pushed = await run("templates", "push", str(tmp_path))
    assert (pushed.exit_code, pushed.stdout) == (0, "order: version 1\n")
    again = await run("templates", "push", str(tmp_path))
    assert again.stdout == "order: version 1, as before\n"
    other = tmp_path / "other"
    other.mkdir()
    pulled = await run("templates", "pull", str(other), "order", "--json")
    assert json.loads(pulled.stdout) == [{"name": "order", "version": 1}]
    assert (other / "order/locales/en/email.text").read_text() == "Hi.\n"
    assert (await run("templates", "push", str(other))).stdout == again.stdout
    (texts / "email.text").write_text("Hello.")
    await run("templates", "push", str(tmp_path), "order")
    everything = tmp_path / "everything"
    assert "order: version 2\n" in (await run("templates", "pull", str(everything))).stdout
    assert (everything / "order/locales/en/email.text").read_text() == "Hello.\n"
    await run("templates", "pull", str(other), "order")
    assert (other / "order/locales/en/email.text").read_text() == "Hello.\n"


async def test_templates_are_listed_with_their_latest_versions(run: Run, intake: Intake) -> None:
    for number in (1, 2):
        content = {"inbox": {"title": f"Hi {number}"}}
        await intake.client.put("/v1/templates/listed", json={"locales": {"en": content}})
    listed = json.loads((await run("templates", "list", "--json")).stdout)
    (found,) = [each for each in listed if each["name"] == "listed"]
    assert (found["version"], found["locales"]) == (2, ["en"])
    assert "listed" in (await run("templates", "list")).stdout


async def test_a_template_that_is_refused_stops_no_other(run: Run, tmp_path: Path) -> None:
    for name, subject in (("bad", "{{ open"), ("good", "S")):
        texts = tmp_path / name / "locales" / "en"
        texts.mkdir(parents=True)
        (texts / "inbox.title").write_text(subject)
    pushed = await run("templates", "push", str(tmp_path))
    assert pushed.exit_code == 1
    assert pushed.stdout == "good: version 1\n"
    assert "bad: " in pushed.stderr
    assert "#/locales/en/inbox/title" in pushed.stderr


async def test_a_key_is_created_listed_and_deleted(run: Run) -> None:
    created = await run("keys", "create", "shop", "--scope", "send", "--scope", "read")
    assert created.exit_code == 0
    assert created.stdout.startswith("fbk_")
    listed = json.loads((await run("keys", "list", "--json")).stdout)
    (key,) = [key for key in listed if key["name"] == "shop"]
    assert key["scopes"] == ["read", "send"]
    shown = await run("keys", "list")
    assert key["id"] in shown.stdout
    assert created.stdout.strip() not in shown.stdout
    deleted = await run("keys", "delete", key["id"])
    assert deleted.stdout == f"deleted {key['id']}\n"
    assert (await run("keys", "delete", key["id"])).exit_code == 1


async def test_an_unknown_scope_is_wrong_usage(run: Run) -> None:
    assert (await run("keys", "create", "shop", "--scope", "everything")).exit_code == 2
    assert (await run("keys", "create", "shop")).exit_code == 2


async def test_an_endpoints_secret_is_printed_once(run: Run) -> None:
    added = await run("endpoints", "add", "https://shop.example/hook")
    assert added.exit_code == 0
    assert added.stdout.startswith("whsec_")
    (listed,) = json.loads((await run("endpoints", "list", "--json")).stdout)
    assert listed["events"] == ["delivery.settled", "notification.settled"]
    shown = await run("endpoints", "list")
    assert listed["id"] in shown.stdout
    assert added.stdout.strip() not in shown.stdout
    removed = await run("endpoints", "remove", listed["id"])
    assert (removed.exit_code, removed.stdout) == (0, f"removed {listed['id']}\n")
    assert (await run("endpoints", "remove", listed["id"])).exit_code == 1
    assert (await run("endpoints", "add", "https://x.example", "--event", "x")).exit_code == 2


async def test_an_address_is_suppressed_shown_and_removed(run: Run) -> None:
    address = ("email", "ann@example.org")
    assert (await run("suppressions", "show", *address)).exit_code == 1
    added = await run("suppressions", "add", *address, "--reason", "asked us to")
    assert "reason      asked us to" in added.stdout.splitlines()
    shown = await run("suppressions", "show", *address, "--json")
    assert json.loads(shown.stdout)["reason"] == "asked us to"
    removed = await run("suppressions", "remove", *address)
    assert removed.stdout == "removed email ann@example.org\n"
    missing = await run("suppressions", "remove", *address)
    assert (missing.exit_code, missing.stdout) == (1, "")
    assert "(404)" in missing.stderr


async def test_a_notification_is_followed_until_it_is_settled(run: Run, intake: Intake) -> None:
    async with AsyncFogbell(str(intake.client.base_url), KEY) as fogbell:
        await fogbell.put_recipient("bare", {})
    sent = await run("send", "--recipient", "bare", "--channel", "inbox", "--channel", "email",
                     "--subject", "S", "--text", "T")  # fmt: skip
    followed = await run("tail", sent.stdout.strip())
    assert followed.exit_code == 0
    assert sorted(followed.stdout.splitlines()) == [
        "email   bare  skipped  (no_address)",
        "inbox   bare  delivered",
        "settled: expected=2 delivered=1 skipped=1",
    ]
    lines = (await run("tail", sent.stdout.strip(), "--json")).stdout.splitlines()
    assert {json.loads(line)["channel"] for line in lines} == {"email", "inbox"}


async def test_what_was_given_up_on_ends_a_tail_with_a_status_of_its_own(
    run: Run, intake: Intake
) -> None:
    sent = await run("send", "--to", "x@example.org", "--subject", "S", "--text", "T")
    given_up = {"status": "dead", "reason": "refused"}
    await intake.db.deliveries.update_many({"status": "pending"}, {"$set": given_up})
    followed = await run("tail", sent.stdout.strip())
    assert followed.exit_code == 3
    assert "x@example.org  dead  (refused)" in followed.stdout


async def test_a_notification_is_cancelled_and_replayed(run: Run) -> None:
    sent = await run("send", "--to", "x@example.org", "--subject", "S", "--text", "T")
    cancelled = await run("cancel", sent.stdout.strip())
    assert cancelled.exit_code == 0
    assert "cancelled" in cancelled.stdout.splitlines()[0]
    refused = await run("replay", sent.stdout.strip())
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "(409)" in refused.stderr
    replayed = await run("replay", sent.stdout.strip(), "--status", "cancelled", "--channel=email")
    assert replayed.stdout.splitlines()[-1] == "replayed 1"
    again = await run("replay", sent.stdout.strip(), "--json")
    assert json.loads(again.stdout)["replayed"] == 0


async def test_status_as_json_is_the_whole_notification(run: Run) -> None:
    sent = await run("send", "--to", "x@example.org", "--subject", "S", "--text", "T", "--json")
    accepted = json.loads(sent.stdout)
    shown = await run("status", accepted["id"], "--json")
    assert json.loads(shown.stdout)["totals"]["pending"] == 1


async def test_an_import_as_json_is_its_report(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text("id,email\nann,ann@example.org\nbob,nowhere\n")
    imported = await run("recipients", "import", str(file), "--json")
    assert imported.exit_code == 1
    assert json.loads(imported.stdout)["imported"] == 1


async def test_what_does_not_exist_is_said_with_its_problem(run: Run) -> None:
    for command in ("status", "tail"):
        missing = await run(command, "00000000-0000-0000-0000-000000000000")
        assert (missing.exit_code, missing.stdout) == (1, "")
        assert missing.stderr.startswith("fogbell: ")
        assert "(404)" in missing.stderr

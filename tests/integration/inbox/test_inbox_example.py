"""The example page of docs/examples/inbox, in Chromium, with a real intake behind it."""

import asyncio
import re
import signal
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

import pytest
from playwright.async_api import Browser, Locator, Page, async_playwright, expect
from tests.support.deliveries import GRACE, new_delivery
from tests.support.inbox import announce, store_history, store_items
from tests.support.inbox_intake import Intake, Place, sign
from tests.support.intake import KEY
from tests.support.waiting import eventually

from fogbell.model.status import Channel, DeliveryStatus
from fogbell.store import deliveries
from fogbell.store.database import Database
from fogbell_intake.inbox_items import EXPIRED
from fogbell_local.client.inbox_page import address, origin, server
from fogbell_local.servers import programs

CHROMIUM = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

expect.set_options(timeout=15_000)

MORE_THAN_A_PAGE = [f"m{n}" for n in range(60)]
"""So many that the list alone does not bring them."""

Open = Callable[[Intake, str], Awaitable[Page]]


@pytest.fixture(scope="module")
def pages() -> Iterator[ThreadingHTTPServer]:
    """The page, served as `fogbell inbox open` does."""
    with server() as serving:
        thread = threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield serving
        serving.shutdown()
        thread.join()


@pytest.fixture(scope="module")
async def chromium() -> AsyncIterator[Browser]:
    program = programs.chromium()
    assert program, "no Chromium on the PATH: run `fogbell servers install --browser`"
    async with async_playwright() as playwright:
        # Each launch has an empty profile of its own.
        browser = await playwright.chromium.launch(
            executable_path=program, args=CHROMIUM, timeout=100_000
        )
        yield browser
        await browser.close()


@pytest.fixture(scope="module")
async def shop(place: Place, pages: ThreadingHTTPServer) -> AsyncIterator[Intake]:
    """An intake that takes requests of the page's origin, and of no other."""
    async with place.intake(cors_origins=[origin(pages)]) as started:
        yield started


@pytest.fixture
async def page(chromium: Browser) -> AsyncIterator[Page]:
    """A browser that nobody has used; an error that the page does not catch fails the test."""
    context = await chromium.new_context(viewport={"width": 800, "height": 900})
    blank = await context.new_page()
    uncaught: list[str] = []
    blank.on("pageerror", lambda error: uncaught.append(str(error)))
    yield blank
    await context.close()
    assert uncaught == []


@pytest.fixture
def open_inbox(page: Page, pages: ThreadingHTTPServer) -> Open:
    async def opened(intake: Intake, token: str) -> Page:
        await page.goto(address(pages, str(intake.client.base_url), token))
        return page

    return opened


def titles(page: Page) -> Locator:
    return page.locator("#items .title")


def item(page: Page, title: str) -> Locator:
    return page.get_by_role("listitem").filter(has_text=title)


async def is_live(page: Page) -> None:
    await expect(page.get_by_text("Live", exact=True)).to_be_visible()


async def shows(page: Page, *expected: str) -> None:
    """Wait until these titles stand there, newest first, and no other."""
    await expect(titles(page)).to_have_text(list(expected))


async def tell_of_an_hour_ago(intake: Intake, recipient: str, title: str) -> None:
    """A live item, from whose event a stream resumes behind an hour ago."""
    then = datetime.now(UTC) - timedelta(hours=1)
    stored = await store_history(intake.db, recipient, [title], then, timedelta())
    await announce(intake.publisher, recipient, stored)


async def store_half_an_hour_ago(db: Database, recipient: str, new: list[str]) -> None:
    """What only a stream that resumes shows: one that starts anew looks a few seconds back."""
    then = datetime.now(UTC) - timedelta(minutes=30)
    await store_history(db, recipient, new, then, timedelta(seconds=1))


async def test_what_is_posted_appears_at_once_above_what_was_there(
    shop: Intake, ann: str, open_inbox: Open
) -> None:
    await shop.client.put(f"/v1/recipients/{ann}", json={})
    await store_items(shop.db, ann, ["older"])
    page = await open_inbox(shop, sign(ann))
    await shows(page, "older")
    await is_live(page)
    body = {
        "audience": {"recipients": [ann]},
        "channels": ["inbox"],
        "content": {"inbox": {"title": "posted now", "body": "It rang."}},
    }
    assert (await shop.client.post("/v1/notifications", json=body)).status_code == 202
    await shows(page, "posted now", "older")
    await expect(page.get_by_text("New: posted now")).to_be_attached()
    await expect(page).to_have_title("(2) Inbox")


async def test_older_pages_are_brought_until_there_are_none(
    shop: Intake, ann: str, open_inbox: Open
) -> None:
    newest_first = [f"t{n}" for n in range(60)]
    an_hour_ago = shop.db.clock.now() - timedelta(hours=1)
    await store_history(shop.db, ann, reversed(newest_first), an_hour_ago, timedelta(seconds=1))
    page = await open_inbox(shop, sign(ann))
    await shows(page, *newest_first[:50])
    await page.get_by_role("button", name="Older").click()
    await shows(page, *newest_first)
    await expect(page.get_by_role("button", name="Older")).to_be_hidden()


async def test_marks_outlive_a_reload(shop: Intake, ann: str, open_inbox: Open) -> None:
    await store_items(shop.db, ann, ["keep", "put away"])
    page = await open_inbox(shop, sign(ann))
    await expect(page.get_by_text("2 unread")).to_be_visible()
    await item(page, "keep").get_by_role("button", name="Mark as read").press("Enter")
    # Who uses the keyboard goes on where they were.
    await expect(item(page, "keep").get_by_role("button", name="Archive")).to_be_focused()
    await expect(page.get_by_text("1 unread")).to_be_visible()
    await item(page, "put away").get_by_role("button", name="Archive").press("Enter")
    await expect(page.locator("#unread")).to_have_text("")
    await is_marked(shop, ann, "keep", "seen_at", "read_at")
    await is_marked(shop, ann, "put away", "archived_at")
    await expect(item(page, "keep").get_by_role("button", name="Archive")).to_be_focused()
    await page.reload()
    await shows(page, "keep")
    await expect(page.get_by_role("button", name="Mark as read")).to_be_hidden()


async def is_marked(intake: Intake, recipient: str, title: str, *fields: str) -> None:
    async def marked() -> bool:
        items = (await intake.get(recipient, archived="true")).json()["items"]
        return all(i[field] for i in items if i["title"] == title for field in fields)

    await eventually(marked)


async def test_a_mark_that_fails_is_taken_back_and_said(
    shop: Intake, ann: str, open_inbox: Open
) -> None:
    await store_items(shop.db, ann, ["stays"])
    page = await open_inbox(shop, sign(ann))
    await is_live(page)
    await page.context.set_offline(True)
    await page.get_by_role("button", name="Archive").click()
    await expect(page.get_by_role("alert").filter(has_text="did not work")).to_be_visible()
    await shows(page, "stays")
    await expect(page.get_by_text("1 unread")).to_be_visible()
    await page.context.set_offline(False)
    await page.get_by_role("button", name="Archive").click()
    await expect(page.get_by_text("Nothing here yet.")).to_be_visible()


async def test_an_item_can_put_no_markup_and_no_script_into_the_page(
    shop: Intake, ann: str, open_inbox: Open
) -> None:
    hostile = '<img src=x onerror="document.title=1">'
    urls = [
        "javascript:alert(1)",
        "data:text/html,x",
        "java\nscript:alert(1)",
        "https://a.example/",
    ]
    new = [
        new_delivery(
            recipient=ann, channel=Channel.INBOX, status=DeliveryStatus.DELIVERED,
            item={"title": f"{hostile}{n}", "body": hostile, "url": url, "data": {}},
        )
        for n, url in enumerate(urls)
    ]  # fmt: skip
    await deliveries.insert(shop.db, new, GRACE)
    page = await open_inbox(shop, sign(ann))
    await expect(item(page, f"{hostile}3").locator(".body")).to_have_text(hostile)
    await expect(titles(page)).to_have_count(len(urls))
    await expect(page.locator("img")).to_have_count(0)
    links = page.get_by_role("link")
    await expect(links).to_have_count(1)
    await expect(links).to_have_attribute("href", "https://a.example/")
    await expect(links).to_have_attribute("rel", re.compile("noopener"))


async def test_nothing_is_missing_nor_doubled_after_intake_was_away(
    place: Place, pages: ThreadingHTTPServer, ann: str, open_inbox: Open
) -> None:
    origins = [origin(pages)]
    async with place.intake(cors_origins=origins) as first:
        port = first.client.base_url.port
        assert port is not None
        page = await open_inbox(first, sign(ann))
        await is_live(page)
        await tell_of_an_hour_ago(first, ann, "one")
        await shows(page, "one")
    await expect(page.get_by_text("Connecting")).to_be_visible()
    database = Database(place.mongo_uri, place.name)
    await store_half_an_hour_ago(database, ann, MORE_THAN_A_PAGE)
    database.close()
    async with place.intake(cors_origins=origins, port=port) as second:
        await shows(page, *reversed(MORE_THAN_A_PAGE), "one")
        await is_live(page)
        await second.tell(ann, "last")
        await shows(page, "last", *reversed(MORE_THAN_A_PAGE), "one")
        await expect(page.get_by_text("62 unread")).to_be_visible()
        await page.close()


async def test_a_token_whose_time_is_over_is_asked_for_and_nothing_is_missed(
    shop: Intake, ann: str, open_inbox: Open
) -> None:
    page = await open_inbox(shop, sign(ann, timedelta(seconds=-1)))
    await expect(page.get_by_role("alert").filter(has_text="has expired")).to_be_visible()
    await give(page, sign(ann))
    await is_live(page)
    await tell_of_an_hour_ago(shop, ann, "before")
    await shows(page, "before")
    # What the hub does with a stream whose token has come to its end.
    for stream in shop.hub._all():
        stream.end(EXPIRED)
    await expect(page.get_by_label("token")).to_be_focused()
    await expect(page.get_by_text("Connecting")).to_be_visible()
    await store_half_an_hour_ago(shop.db, ann, MORE_THAN_A_PAGE)
    await give(page, sign(ann))
    await shows(page, *reversed(MORE_THAN_A_PAGE), "before")


async def give(page: Page, token: str) -> None:
    await page.get_by_label("token").fill(token)
    await page.get_by_role("button", name="Open the inbox").click()


async def test_the_command_prints_where_the_page_opens_an_inbox(shop: Intake, ann: str) -> None:
    await shop.client.put(f"/v1/recipients/{ann}", json={})
    url = str(shop.client.base_url)
    command = [sys.executable, "-m", "fogbell_local", "inbox", "open", ann]
    process = await asyncio.create_subprocess_exec(
        *command, f"--url={url}", f"--api-key={KEY}", stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    printed = (await process.stdout.readline()).decode().strip()
    answer = await shop.browser.get(printed)
    assert (answer.status_code, "page.js" in answer.text) == (200, True)
    ((_, shown), (_, token)) = parse_qsl(urlsplit(printed).fragment)
    assert shown == url
    headers = {"Authorization": f"Bearer {token}"}
    assert (await shop.browser.get("/v1/inbox", headers=headers)).status_code == 200
    process.send_signal(signal.SIGINT)
    assert await process.wait() == 0

"""The apprise channel against services that answer as theirs are documented to."""

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import structlog
from pydantic import SecretStr
from starlette.responses import PlainTextResponse, Response
from tests.support import chats
from tests.support.chats import HOOK, TOKEN, TOPIC, Chats
from tests.support.providers import served, work_for
from tests.support.routing import Attempting, provided, routed
from tests.support.waiting import eventually
from tests.support.webhooks import Receiver, hang, raw, reply

from fogbell.model.address import Addresses, AppriseAddress
from fogbell.model.content import AppriseContent, Part, SmsContent
from fogbell.model.outcome import Fault, Outcome, Reply
from fogbell.model.status import Cause, Channel
from fogbell.policy import RetryPolicy, Standing, judge
from fogbell_worker.channels.apprise import AppriseSettings, library
from fogbell_worker.providers.breaker import BreakerRules
from fogbell_worker.sending import Work


@contextlib.asynccontextmanager
async def open_sender(**settings: object) -> AsyncIterator[Attempting]:
    values = {
        "schemes": "json,gotify,mmost,ntfy",
        "send_timeout": 5,
        "connect_timeout": 1,
        "read_timeout": 3,
        **settings,
    }
    apprise = AppriseSettings.model_validate(values)
    rules = BreakerRules(failures=2)
    sender = Attempting(
        routed(Channel.APPRISE, provided("apprise", apprise, apprise.name), rules=rules)
    )
    try:
        yield sender
    finally:
        await sender.close()


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy and a login that nothing may use; restored, for the provider leaves it changed."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("NO_PROXY", "no_proxy", "NETRC"):
        monkeypatch.setenv(name, "")


@pytest.fixture
def service() -> Chats:
    return Chats()


@pytest.fixture
async def host(service: Chats) -> AsyncIterator[str]:
    async with served(service.app) as base_url:
        yield base_url.removeprefix("http://")


@pytest.fixture
async def sender() -> AsyncIterator[Attempting]:
    async with open_sender() as opened:
        yield opened


def chat(
    url: str,
    *,
    part: Part | None = None,
    body: str = "Order {{ data.order }}",
    simulate: bool = False,
) -> Work:
    return work_for(
        Channel.APPRISE,
        part or AppriseContent(title="Hi {{ data.name }}", body=body),
        Addresses(apprise=AppriseAddress(url=SecretStr(url))),
        simulate=simulate,
        data={"order": "A-1 & <ü€>", "name": "Ann"},
    )


async def sent(sender: Attempting, url: str, **more: Any) -> Reply:
    attempt = await sender.send(chat(url, **more))
    assert attempt.provider == "apprise"
    assert attempt.started_at <= attempt.finished_at
    return attempt.reply


async def test_each_service_gets_the_message_as_it_reads_it(
    service: Chats, host: str, sender: Attempting
) -> None:
    for url in (f"gotify://{host}/{TOKEN}", f"mmost://{host}/{HOOK}", f"ntfy://{host}/{TOPIC}"):
        assert await sent(sender, url) == Reply(Outcome.ACCEPTED)
    gotify, mattermost, ntfy = service.messages
    assert (gotify["title"], gotify["message"]) == ("Hi Ann", "Order A-1 & <ü€>")
    assert mattermost["text"].splitlines() == ["Hi Ann", "Order A-1 & <ü€>"]
    assert (ntfy["title"], ntfy["message"]) == ("Hi Ann", "Order A-1 & <ü€>")


async def test_a_title_is_not_needed(service: Chats, host: str, sender: Attempting) -> None:
    part = AppriseContent(body="Bell.")
    assert (await sent(sender, f"gotify://{host}/{TOKEN}", part=part)).outcome is Outcome.ACCEPTED
    assert service.messages[0]["message"] == "Bell."


@pytest.mark.parametrize(
    ("path", "answer", "code", "reason"),
    [
        ("gotify://{}/wrong", None, "401", "refused"),
        ("ntfy://{}/other", None, "403", "refused"),
        ("mmost://{}/gone", None, "404", "refused"),
        ("gotify://{}/" + TOKEN, chats.gotify_error(400, "Bad Request", ""), "400", "refused"),
        ("gotify://{}/" + TOKEN, chats.gotify_error(500, "Internal", ""), "500", "unavailable"),
        ("gotify://{}/" + TOKEN, PlainTextResponse("", 503), "503", "unavailable"),
        ("ntfy://{}/" + TOPIC, chats.ntfy_error(42901, "limit reached"), "429", "throttled"),
        (
            "mmost://{}/" + HOOK,
            chats.mattermost_error(429, {"X-Ratelimit-Reset": "7", "Retry-After": "7"}),
            "429",
            "throttled",
        ),
        ("gotify://{}/" + TOKEN, chats.redirect(), "307", "refused"),
    ],
)
async def test_a_no_is_tried_again_with_its_status_if_apprise_tells_it(
    service: Chats,
    host: str,
    sender: Attempting,
    path: str,
    answer: Response | None,
    code: str,
    reason: str,
) -> None:
    service.answers = [answer] if answer else []
    reply = await sent(sender, path.format(host))
    assert (reply.outcome, reply.code, reply.reason) == (Outcome.TRANSIENT, code, reason)
    assert reply.retry_after is None  # Apprise does not tell it
    assert service.messages == []
    assert service.requests == 1


async def test_a_service_is_asked_once_whatever_its_url_says(
    service: Chats, host: str, sender: Attempting
) -> None:
    service.answers = [PlainTextResponse("", 503), chats.redirect()]
    asked = "retry=5&wait=1&redirect=yes&optional=yes&store=yes&rto=60&cto=60"
    for _ in range(2):
        reply = await sent(sender, f"gotify://{host}/{TOKEN}?{asked}")
        assert reply.outcome is Outcome.TRANSIENT
    assert (service.requests, service.messages) == (2, [])


async def test_nobody_there_is_tried_again(sender: Attempting) -> None:
    async with Receiver().listen() as receiver:
        pass
    reply = await sent(sender, f"json://127.0.0.1:{receiver.port}/")
    assert (reply.outcome, reply.reason) == (Outcome.TRANSIENT, "failed")


async def test_an_answer_that_is_cut_off_is_a_no(sender: Attempting) -> None:
    cut = raw(b"HTTP/1.1 2", close=True)
    async with Receiver(answers=[cut]).listen() as receiver:
        reply = await sent(sender, f"json://127.0.0.1:{receiver.port}/")
    assert (reply.outcome, reply.reason) == (Outcome.TRANSIENT, "failed")


async def test_a_silence_as_long_as_the_read_timeout_is_ambiguous() -> None:
    async with Receiver(answers=[hang]).listen() as receiver, open_sender(read_timeout=0.2) as own:
        reply = await sent(own, f"json://127.0.0.1:{receiver.port}/?rto=60")
        assert len(receiver.requests) == 1
    assert (reply.outcome, reply.reason) == (Outcome.AMBIGUOUS, "no_reply")
    verdict = judge(reply, Standing(Channel.APPRISE, 1, 0.0), RetryPolicy(), 0.5)
    assert verdict.cause is Cause.RETRY_LATER


async def test_what_outlives_its_time_keeps_its_thread_and_piles_none_up() -> None:
    """A byte now and then keeps a read from timing out, so only the thread's end ends it."""
    let_go = asyncio.Event()

    async def drip(_: object, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n")
        while not let_go.is_set():
            writer.write(b"X: y\r\n")
            await writer.drain()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(let_go.wait(), 0.05)
        writer.write(b"\r\n")
        await writer.drain()

    bounds = {"send_timeout": 1.5, "connect_timeout": 0.1, "read_timeout": 1, "threads": 1}
    async with Receiver(answers=[drip, reply(200)]).listen() as receiver:
        url = f"json://127.0.0.1:{receiver.port}/"
        async with open_sender(**bounds) as own:
            first = await sent(own, url)
            assert (first.outcome, first.reason) == (Outcome.AMBIGUOUS, "timeout")
            assert first.fault is Fault.MESSAGE
            second = await sent(own, url)
            assert (second.outcome, second.reason) == (Outcome.TRANSIENT, "busy")
            assert _threads() == 1
            let_go.set()
            await eventually(lambda: not _threads())
            assert (await sent(own, url)).outcome is Outcome.ACCEPTED
    assert len(receiver.requests) == 2


def _threads() -> int:
    return sum(thread.name == "apprise-send" for thread in threading.enumerate())


async def test_more_sends_than_threads_wait_their_turn() -> None:
    at_once, most = 0, 0

    async def slow(_: object, writer: asyncio.StreamWriter) -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0.05)
        at_once -= 1
        await reply(200, "Connection: close\r\n")(_, writer)  # type: ignore[arg-type]

    async with Receiver(answers=[slow]).listen() as receiver, open_sender(threads=2) as own:
        url = f"json://127.0.0.1:{receiver.port}/"
        replies = await asyncio.gather(*(sent(own, url) for _ in range(6)))
    assert {r.outcome for r in replies} == {Outcome.ACCEPTED}
    assert most == 2


async def test_a_cancelled_send_gives_its_thread_back_when_that_ends() -> None:
    async with Receiver(answers=[hang]).listen() as receiver, open_sender(
        threads=1, read_timeout=1
    ) as own:  # fmt: skip
        sending = asyncio.create_task(own.send(chat(f"json://127.0.0.1:{receiver.port}/")))
        await eventually(lambda: bool(receiver.requests))
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        assert _threads() == 1
        await eventually(lambda: not _threads())


async def test_a_pause_that_a_service_asks_for_is_kept_and_not_slept(
    sender: Attempting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Discord's plugin asks `throttle` to sleep after a 429; it reaches no host of ours."""

    def ask(self: library.Target, _title: str, _body: str) -> library.Said:
        self._plugin.throttle()
        self._plugin.throttle(wait=7.5)
        raise AssertionError("it went on")

    monkeypatch.setattr(library.Target, "send", ask)
    started = time.monotonic()
    reply = await sent(sender, "json://127.0.0.1:1/")
    assert time.monotonic() - started < 5
    assert (reply.outcome, reply.reason, reply.retry_after) == (
        Outcome.TRANSIENT,
        "throttled",
        7.5,
    )


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("syslog://127.0.0.1:{port}", "scheme_refused"),
        ("jsons://127.0.0.1:{port}/", "scheme_refused"),
        ("xml://127.0.0.1:{port}/", "scheme_refused"),
        ("mailto://u:p@127.0.0.1:{port}", "scheme_refused"),
        ("json://?", "bad_address"),
        ("gotify://127.0.0.1:{port}", "bad_address"),
        ("ntfy://127.0.0.1:{port}/one/two", "bad_address"),
        ("json://127.0.0.1:{port}/?keyfile=/etc/hostname", "bad_address"),
    ],
)
async def test_what_is_refused_reaches_nobody(sender: Attempting, url: str, reason: str) -> None:
    async with Receiver().listen() as receiver:
        given = url.format(port=receiver.port)
        for simulate in (True, False):
            reply = await sent(sender, given, simulate=simulate)
            assert (reply.outcome, reply.reason) == (Outcome.PERMANENT, reason)
            assert given not in str(reply)
        assert receiver.connections == 0


async def test_a_scheme_that_one_provider_refuses_is_for_the_next(
    service: Chats, host: str
) -> None:
    lists = {"chats": "mmost", "own": "gotify,ntfy"}
    given = [
        provided("apprise", AppriseSettings.model_validate({"schemes": schemes}), name)
        for name, schemes in lists.items()
    ]
    sender = Attempting(routed(Channel.APPRISE, *given))
    attempt = await sender.send(chat(f"gotify://{host}/{TOKEN}"))
    assert (attempt.provider, attempt.reply.outcome) == ("own", Outcome.ACCEPTED)
    unknown = await sender.send(chat("xml://127.0.0.1:1/"))
    assert (unknown.reply.outcome, unknown.reply.reason) == (Outcome.PERMANENT, "scheme_refused")
    assert len(service.messages) == 1
    await sender.close()


async def test_more_than_a_service_takes_is_not_sent(
    service: Chats, host: str, sender: Attempting
) -> None:
    reply = await sent(sender, f"mmost://{host}/{HOOK}", body="x" * 4_000)
    assert (reply.outcome, reply.reason) == (Outcome.PERMANENT, "too_large")
    assert service.requests == 0


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        (AppriseContent(body=" {{ data.nothing }} "), "empty_message"),
        (AppriseContent(body="{{ 1 | divided_by: 0 }}"), "template_error"),
        (SmsContent(text="x"), "template_error"),
    ],
)
async def test_what_cannot_be_said_is_not_sent(
    service: Chats, host: str, sender: Attempting, part: Part, reason: str
) -> None:
    reply = await sent(sender, f"gotify://{host}/{TOKEN}", part=part)
    assert (reply.outcome, reply.reason) == (Outcome.PERMANENT, reason)
    assert service.requests == 0


async def test_a_test_key_does_everything_but_the_call(
    service: Chats, host: str, sender: Attempting
) -> None:
    reply = await sent(sender, f"gotify://{host}/{TOKEN}", simulate=True)
    assert (reply.outcome, reply.code) == (Outcome.ACCEPTED, "simulated")
    assert service.requests == 0


async def test_one_service_that_is_down_holds_no_other_up(
    service: Chats, host: str, sender: Attempting
) -> None:
    service.answers = [PlainTextResponse("", 503) for _ in range(4)]
    for _ in range(4):  # the breaker here opens after two
        await sent(sender, f"gotify://{host}/{TOKEN}")
    assert (await sent(sender, f"ntfy://{host}/{TOPIC}")).outcome is Outcome.ACCEPTED


async def test_an_error_within_apprise_is_ambiguous_and_keeps_its_words_to_itself(
    sender: Attempting, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_self: library.Target, _title: str, _body: str) -> library.Said:
        raise LookupError("json://127.0.0.1:1/s3cr3t")

    monkeypatch.setattr(library.Target, "send", fail)
    reply = await sent(sender, "json://127.0.0.1:1/s3cr3t")
    assert (reply.outcome, reply.reason) == (Outcome.AMBIGUOUS, "internal_error")
    assert reply.detail == "LookupError"


@pytest.mark.parametrize(
    ("schemes", "warned"), [("tgram,slack", []), ("tgram,json,ntfy", [["json", "ntfy"]])]
)
async def test_schemes_that_reach_any_host_are_warned_of_at_the_start(
    schemes: str, warned: list[list[str]]
) -> None:
    with structlog.testing.capture_logs() as logs:
        async with open_sender(schemes=schemes):
            pass
    found = [e["schemes"] for e in logs if e["event"] == "apprise_schemes_reach_any_host"]
    assert found == warned

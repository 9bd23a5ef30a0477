"""Where webhooks go: look-ups, refusals and TLS names, with real connections on loopback."""

import asyncio
import socket
import ssl
import subprocess
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest
import uvloop
from pydantic import ValidationError
from tests.support.routing import Attempting, provided, routed
from tests.support.webhooks import Receiver, hang, raw, reply, webhook_work

from fogbell.model.outcome import Outcome, Reply
from fogbell.model.status import Channel
from fogbell_worker.channels.webhook import WebhookProvider, WebhookSettings
from fogbell_worker.http.guard import Resolve

LOOPBACK = [
    "127.0.0.1",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0x7f.0x0.0x0.0x1",
    "0177.0.0.1",
    "017700000001",
    "localhost",
    "LOCALHOST",
    "0.0.0.0",
    "0",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::127.0.0.1]",
]


ODD = [
    "localhost.",
    "localhost.localdomain",
    "any.localhost",
    "any.localhost.",
    "ip6-localhost",
    "127.0.0.1.",
    "127.00.00.01",
    "127.0.0.1.0",
    "00000177.0.0.1",
    "4294967297",
    "0x100000000",
    "%31%32%37.0.0.1",
    "127%2e0%2e0%2e1",
    "[::ffff:7f00:1]",
    "[0:0:0:0:0:ffff:127.0.0.1]",
    "[::ffff:0:127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[::1%25lo]",
    "[::1%lo]",
]
"""What some readers take for loopback, or for the name of this machine."""

CREDENTIALS = [
    "http://example.org@127.0.0.1:{port}/",
    "http://127.0.0.1:{port}@example.org/",
    "http://example.org:80@127.0.0.1:{port}/",
    "http://example.org#@127.0.0.1:{port}/",
    "http://example.org\\@127.0.0.1:{port}/",
    "http://\u2460\u2461\u2466.0.0.1:{port}/",
    "http://127.0.0.1:{port}\t/",
    "http:127.0.0.1:{port}/",
]


class Names:
    """A resolver over a table; each name's answers run out to the last one."""

    def __init__(self, **answers: list[list[str]]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    async def __call__(self, host: str, _port: int) -> Sequence[str]:
        self.asked.append(host)
        answers = self.answers[host.partition(".")[0]]
        return answers.pop(0) if len(answers) > 1 else answers[0]


async def send(
    urls: Sequence[str], resolve: Resolve | None = None, **settings: object
) -> list[Reply]:
    """The replies of one sender to posts made one after the other."""
    values = {"allow_http": True, "send_timeout": 5, **settings}
    create = partial(WebhookProvider, resolve=resolve)
    given = provided("webhook", WebhookSettings.model_validate(values), create=create)
    sender = Attempting(routed(Channel.WEBHOOK, given))
    try:
        return [(await sender.send(webhook_work(url))).reply for url in urls]
    finally:
        await sender.close()


@pytest.mark.parametrize("host", LOOPBACK)
async def test_no_spelling_of_loopback_is_connected_to(host: str) -> None:
    async with Receiver().listen() as receiver:
        (answer,) = await send([f"http://{host}:{receiver.port}/"])
    assert answer.outcome is Outcome.PERMANENT
    assert answer.reason in ("address_refused", "bad_address")
    assert receiver.connections == 0


async def _worst(host: str, port: int) -> Sequence[str]:
    """The system's reading of numbers; what is none to it is a name that leads to loopback."""
    try:
        found = socket.getaddrinfo(host, port, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        return ["127.0.0.1"]
    return [str(entry[4][0]) for entry in found]


@pytest.mark.parametrize("host", ODD)
async def test_no_odd_form_of_an_address_or_name_reaches_loopback(host: str) -> None:
    async with Receiver().listen() as receiver:
        try:
            (answer,) = await send([f"http://{host}:{receiver.port}/"], _worst)
        except ValidationError:
            return
    assert answer.outcome is Outcome.PERMANENT
    assert answer.reason in ("address_refused", "bad_address")
    assert receiver.connections == 0


@pytest.mark.parametrize("url", CREDENTIALS)
async def test_a_url_that_names_two_hosts_is_no_address(url: str) -> None:
    with pytest.raises(ValidationError):
        await send([url.format(port=1)])


async def test_a_redirect_to_what_is_refused_is_not_followed() -> None:
    async with Receiver().listen() as inside:
        to = [f"Location: http://{host}:{inside.port}/\r\n" for host in ("127.0.0.2", "[::1]")]
        answers = [reply(status, to[status % 2]) for status in (301, 302, 303, 307, 308)]
        async with Receiver(answers).listen() as outside:
            replies = await send([outside.url] * 5, allow_networks=["127.0.0.1/32"])
    assert {(r.outcome, r.reason) for r in replies} == {(Outcome.PERMANENT, "redirected")}
    assert inside.connections == 0


async def test_a_name_that_turns_to_another_address_is_checked_at_each_connection() -> None:
    names = Names(rebinding=[["127.0.0.1"], ["127.0.0.2"]])
    async with Receiver([raw(b"HTTP/1.1 204 X\r\nConnection: close\r\n\r\n")]).listen() as receiver:
        url = f"http://rebinding.test:{receiver.port}/"
        replies = await send([url, url], names, allow_networks=["127.0.0.1/32"])
    assert [reply.reason for reply in replies] == [None, "address_refused"]
    assert names.asked == ["rebinding.test"] * 2
    assert (receiver.connections, len(receiver.requests)) == (1, 1)
    assert receiver.requests[0].headers["host"] == f"rebinding.test:{receiver.port}"


async def test_the_next_address_is_tried_where_the_first_does_not_answer() -> None:
    names = Names(two=[["127.0.0.2", "127.0.0.1"]])
    async with Receiver().listen() as receiver:
        url = f"http://two.test:{receiver.port}/"
        (answer,) = await send([url], names, allow_networks=["127.0.0.0/8"])
    assert answer.outcome is Outcome.ACCEPTED


async def test_a_look_up_that_never_ends_is_transient_within_the_limit() -> None:
    async def silent(_host: str, _port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        return []

    async with asyncio.timeout(2):
        (answer,) = await send(["http://silent.test/"], silent, send_timeout=0.2)
    assert (answer.outcome, answer.reason) == (Outcome.TRANSIENT, "timeout")


async def test_a_name_that_cannot_be_looked_up_is_transient() -> None:
    too_long = "a" * 64
    (answer,) = await send([f"http://{too_long}.test/"])
    assert (answer.outcome, answer.reason) == (Outcome.TRANSIENT, "dns")
    assert too_long not in str(answer.detail)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate and its key in one file, for a.test and b.test."""
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    new = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    names = ["-subj", "/CN=a.test", "-addext", "subjectAltName=DNS:a.test,DNS:b.test"]
    out = ["-keyout", f"{path}.key", "-out", str(path)]
    subprocess.run([*new.split(), *names, *out], check=True, capture_output=True)
    path.write_text(path.read_text() + Path(f"{path}.key").read_text())
    return path


@pytest.fixture
def tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    return context


def names() -> Names:
    return Names(a=[["127.0.0.1"]], b=[["127.0.0.1"]], c=[["127.0.0.1"]])


async def test_tls_is_asked_for_and_verified_by_the_name(
    tls: ssl.SSLContext, certificate: Path
) -> None:
    asked: list[str | None] = []
    tls.sni_callback = lambda _socket, name, _context: asked.append(name)
    async with Receiver().listen(tls) as receiver:
        url = f"https://a.test:{receiver.port}/"
        (answer,) = await send(
            [url], names(), allow_networks=["127.0.0.0/8"], ca_file=certificate, allow_http=False
        )
    assert answer.outcome is Outcome.ACCEPTED
    assert asked == ["a.test"]
    assert receiver.requests[0].headers["host"] == f"a.test:{receiver.port}"


async def test_names_that_share_an_address_never_share_a_connection(
    tls: ssl.SSLContext, certificate: Path
) -> None:
    async with Receiver().listen(tls) as receiver:
        urls = [f"https://{name}.test:{receiver.port}/" for name in "abcab"]
        replies = await send(urls, names(), allow_networks=["127.0.0.0/8"], ca_file=certificate)
    assert [reply.reason for reply in replies] == [None, None, "tls", None, None]
    assert (replies[2].outcome, replies[2].detail) == (Outcome.TRANSIENT, "Hostname mismatch")
    assert len(receiver.requests) == 4
    assert receiver.connections == 2  # one a name, kept; the third never got past its handshake


async def test_a_certificate_of_an_unknown_authority_is_refused(tls: ssl.SSLContext) -> None:
    async with Receiver().listen(tls) as receiver:
        url = f"https://a.test:{receiver.port}/"
        (answer,) = await send([url], names(), allow_networks=["127.0.0.0/8"])
    assert (answer.outcome, answer.reason) == (Outcome.TRANSIENT, "tls")
    assert receiver.requests == []


async def test_https_to_a_server_without_tls_is_a_tls_failure() -> None:
    async with Receiver([hang]).listen() as receiver:
        url = f"https://a.test:{receiver.port}/"
        (answer,) = await send([url], names(), allow_networks=["127.0.0.0/8"], send_timeout=0.5)
    assert answer.outcome is Outcome.TRANSIENT
    assert receiver.requests == []


def test_the_workers_event_loop_gives_the_same_answers(certificate: Path) -> None:
    async def scenario() -> list[str | None]:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(certificate)
        answers = [reply(204), raw(b"", close=True)]
        async with Receiver(answers).listen() as plain, Receiver().listen(tls) as secure:
            urls = [
                *[f"http://a.test:{plain.port}/"] * 2,
                *[f"https://{name}.test:{secure.port}/" for name in "bc"],
            ]
            replies = await send(urls, names(), allow_networks=["127.0.0.0/8"], ca_file=certificate)
            return [reply.reason for reply in replies]

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(scenario()) == [None, "no_reply", None, "tls"]

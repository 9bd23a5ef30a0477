"""The sender against aiosmtpd: what arrives, over which connections, protected how."""

import asyncio
import email
import email.policy
import ssl
import subprocess
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import EmailMessage
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import structlog
import uvloop
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from tests.support.routing import Attempting
from tests.support.smtp import notification, relay, sender, work
from tests.support.waiting import eventually

from fogbell.model.content import EmailContent
from fogbell.model.outcome import Outcome
from fogbell_worker.channels.email import outgoing, session

UNPROTECTED = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
PASSWORD = "s3cret/:@"
LOGIN = "bell:s3cret%2F%3A%40@"


class Inbox:
    """An aiosmtpd handler that keeps what arrives."""

    def __init__(self) -> None:
        self.envelopes: list[Envelope] = []
        self.protected: list[bool] = []

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        self.envelopes.append(envelope)
        self.protected.append(session.ssl is not None)
        return "250 2.0.0 queued"

    def message(self, number: int = 0) -> EmailMessage:
        content = self.envelopes[number].content
        assert isinstance(content, bytes)
        message = email.message_from_bytes(content, policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        return message


def check_login(
    _server: Any, _session: Any, _envelope: Any, mechanism: str, data: Any
) -> AuthResult:
    assert mechanism in {"LOGIN", "PLAIN"}
    assert isinstance(data, LoginPassword)
    right = (data.login, data.password) == (b"bell", PASSWORD.encode())
    return AuthResult(success=right, handled=False)


@asynccontextmanager
async def server(
    inbox: Inbox, *, implicit: ssl.SSLContext | None = None, **more: Any
) -> AsyncIterator[int]:
    loop = asyncio.get_running_loop()
    listening = await loop.create_server(
        lambda: SMTP(inbox, hostname="relay.example.net", loop=loop, **more),
        "127.0.0.1",
        0,
        ssl=implicit,
    )
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of its own making for ``localhost``, with its key in the same file."""
    folder = tmp_path_factory.mktemp("certificate")
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    name = "-subj /CN=localhost -addext subjectAltName=DNS:localhost"
    subprocess.run(
        [*command.split(), *name.split(), "-keyout", "key.pem", "-out", "cert.pem"],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    return folder


@pytest.fixture
def tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    return context


MIXED = EmailContent(
    subject="Grüße, {{ data.name }}",
    text="Dear {{ data.name }},\n.\n..\nbye\n",
    html="<p>{{ data.name }}</p>",
    from_="Läden <shop@example.com>",
)


async def test_what_was_rendered_is_what_arrives() -> None:
    inbox = Inbox()
    async with server(inbox) as port, sender(port) as channel:
        given = work(MIXED, name="Zoë 🙂")
        attempt = await channel.send(given)
    assert (attempt.reply.outcome, attempt.reply.code) == (Outcome.ACCEPTED, "250")
    assert attempt.provider == "smtp"
    assert attempt.started_at <= attempt.finished_at
    message = inbox.message()
    assert message["Subject"] == "Grüße, Zoë 🙂"
    assert message["Message-ID"] == f"<{given.delivery.id}@example.net>"
    text = message.get_body(("plain",))
    assert isinstance(text, EmailMessage)
    assert text.get_content().splitlines() == ["Dear Zoë 🙂,", ".", "..", "bye"]
    assert inbox.envelopes[0].mail_from == "shop@example.com"
    assert inbox.envelopes[0].rcpt_tos == ["ann@example.org"]


@UNPROTECTED
@pytest.mark.parametrize("excluded", ["LOGIN", "PLAIN"])
async def test_the_relay_lets_us_in_by_whatever_login_it_offers(excluded: str) -> None:
    inbox = Inbox()
    auth: dict[str, Any] = {
        "authenticator": check_login,
        "auth_required": True,
        "auth_require_tls": False,
    }
    async with (
        server(inbox, auth_exclude_mechanism=[excluded], **auth) as port,
        sender(port, login=LOGIN) as channel,
    ):
        assert (await channel.send(work())).reply.outcome is Outcome.ACCEPTED


@UNPROTECTED
@pytest.mark.parametrize("login", ["bell:wrong@", ""])
async def test_a_wrong_or_missing_login_never_kills_a_delivery(login: str) -> None:
    auth: dict[str, Any] = {
        "authenticator": check_login,
        "auth_required": True,
        "auth_require_tls": False,
    }
    async with server(Inbox(), **auth) as port, sender(port, login=login) as channel:
        reply = (await channel.send(work())).reply
    assert (reply.outcome, reply.reason) == (Outcome.TRANSIENT, "relay_auth")


@pytest.mark.parametrize(
    ("scheme", "starttls"),
    [("smtp", "opportunistic"), ("smtp", "required"), ("smtp+starttls", "never")],
)
async def test_starttls_protects_login_and_mail(
    certificate: Path, tls: ssl.SSLContext, scheme: str, starttls: str
) -> None:
    inbox = Inbox()
    async with (
        server(inbox, tls_context=tls, require_starttls=True, authenticator=check_login) as port,
        sender(
            port, scheme, login=LOGIN, starttls=starttls, ca_file=certificate / "cert.pem"
        ) as channel,
    ):
        replies = [(await channel.send(work())).reply for _ in range(2)]
    assert [reply.outcome for reply in replies] == [Outcome.ACCEPTED] * 2
    assert inbox.protected == [True, True]


async def test_implicit_tls_protects_from_the_first_byte(
    certificate: Path, tls: ssl.SSLContext
) -> None:
    inbox = Inbox()
    async with (
        server(inbox, implicit=tls) as port,
        sender(port, "smtps", ca_file=certificate / "cert.pem") as channel,
    ):
        big = work(EmailContent(subject="Big", text="x" * 200_000))
        assert (await channel.send(big)).reply.outcome is Outcome.ACCEPTED


@pytest.mark.parametrize("scheme", ["smtps", "smtp+starttls"])
async def test_a_certificate_that_nobody_vouches_for_is_refused_unless_told(
    tls: ssl.SSLContext, scheme: str
) -> None:
    more: dict[str, Any] = {"implicit": tls} if scheme == "smtps" else {"tls_context": tls}
    async with server(Inbox(), **more) as port:
        async with sender(port, scheme) as channel:
            refused = (await channel.send(work())).reply
        async with sender(port, scheme, verify_certificates=False) as channel:
            accepted = (await channel.send(work())).reply
    assert (refused.outcome, refused.reason) == (Outcome.TRANSIENT, "relay_tls")
    assert accepted.outcome is Outcome.ACCEPTED


async def test_opportunistic_starttls_encrypts_without_asking_who_is_there(
    tls: ssl.SSLContext,
) -> None:
    inbox = Inbox()
    async with server(inbox, tls_context=tls) as port, sender(port) as channel:
        assert (await channel.send(work())).reply.outcome is Outcome.ACCEPTED
    assert inbox.protected == [True]


async def test_required_starttls_never_sends_in_the_clear() -> None:
    inbox = Inbox()
    async with server(inbox) as port, sender(port, "smtp+starttls") as channel:
        reply = (await channel.send(work())).reply
    assert (reply.outcome, reply.reason) == (Outcome.TRANSIENT, "relay_tls")
    assert not inbox.envelopes


async def test_no_more_connections_than_allowed_and_every_one_is_used_again() -> None:
    async with relay() as server, sender(server.port, connections=3) as channel:
        attempts = await asyncio.gather(*(channel.send(work()) for _ in range(30)))
        assert channel.pool.idle <= 3
    assert {attempt.reply.outcome for attempt in attempts} == {Outcome.ACCEPTED}
    assert server.sessions <= 3
    assert len(server.mails) == 30


async def test_closing_says_quit_on_every_connection() -> None:
    async with relay() as server, sender(server.port, connections=3) as channel:
        await asyncio.gather(*(channel.send(work()) for _ in range(3)))
        await channel.close()
        assert server.heard.count("QUIT") == server.sessions == 3


async def test_an_idle_connection_says_quit_after_its_time() -> None:
    async with relay() as server, sender(server.port, idle_seconds=0.05) as channel:
        await channel.send(work())
        await eventually(lambda: "QUIT" in server.heard and not server.writers)
        assert channel.pool.idle == 0
        assert (await channel.send(work())).reply.outcome is Outcome.ACCEPTED


async def test_a_connection_carries_only_so_many_mails() -> None:
    async with relay() as server, sender(server.port, messages_per_connection=2) as channel:
        for _ in range(5):
            assert (await channel.send(work())).reply.outcome is Outcome.ACCEPTED
    assert server.sessions == 3


async def test_a_simulated_notification_does_everything_but_the_relays_call() -> None:
    async with relay() as server, sender(server.port) as channel:
        sent = (await channel.send(work(of=notification(simulate=True)))).reply
        broken = work(EmailContent(subject="{% if %}", text=""), of=notification(simulate=True))
        refused = (await channel.send(broken)).reply
    assert (sent.outcome, sent.code) == (Outcome.ACCEPTED, "simulated")
    assert refused.reason == "template_error"
    assert server.sessions == 0


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (EmailContent(subject="{% if %}", text=""), "template_error"),
        (EmailContent(subject="hi", text="", from_="{{ data.name }}"), "invalid_header"),
    ],
)
async def test_content_that_cannot_be_sent_is_permanent(content: EmailContent, reason: str) -> None:
    async with relay() as server, sender(server.port) as channel:
        reply = (await channel.send(work(content, name="no address"))).reply
    assert (reply.outcome, reply.reason) == (Outcome.PERMANENT, reason)
    assert server.sessions == 0


async def test_a_sender_that_is_none_is_told_with_an_address_for_an_example() -> None:
    content = EmailContent(subject="hi", text="", from_="{{ data.name }}")
    async with relay() as server, sender(server.port) as channel:
        reply = (await channel.send(work(content, name="no address"))).reply
    assert reply.detail == "From: expected an e-mail address such as ann@example.org"


async def test_a_line_end_in_a_name_never_reaches_the_relay() -> None:
    async with relay() as server, sender(server.port) as channel:
        reply = (await channel.send(work(name="Ann\r\nBcc: eve@example.org"))).reply
    assert reply.outcome is Outcome.PERMANENT
    assert reply.reason in {"template_error", "invalid_header"}
    assert "eve" not in str(reply)
    assert server.sessions == 0


async def test_a_recipient_without_an_address_is_permanent() -> None:
    async with relay() as server, sender(server.port) as channel:
        reply = (await channel.send(work(email=None))).reply
    assert (reply.outcome, reply.reason) == (Outcome.PERMANENT, "no_address")


async def test_a_content_is_compiled_once_for_a_notification_and_few_are_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("fogbell_worker.rendering.COMPILED_PARTS", 2)
    async with relay() as server, sender(server.port) as channel:
        same = notification()
        for given in (work(of=same), work(), work(of=same), work()):
            await channel.send(given)
        assert len(channel.compiled) == 2
        assert (same.id, None) in channel.compiled
    assert len(server.mails) == 4


@pytest.mark.parametrize(
    ("module", "name", "outcome"),
    [
        (outgoing, "stuff_dots", Outcome.TRANSIENT),
        (session, "Transaction", Outcome.TRANSIENT),
        (session, "DOT", Outcome.AMBIGUOUS),
    ],
)
async def test_a_mistake_of_ours_costs_one_mail_and_is_logged_without_content(
    monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str, outcome: Outcome
) -> None:
    async with relay() as server, sender(server.port) as channel:
        given = work()
        with monkeypatch.context() as mistaken, structlog.testing.capture_logs() as logs:
            mistaken.setattr(module, name, None)
            reply = (await channel.send(given)).reply
        assert (await channel.send(work())).reply.outcome is Outcome.ACCEPTED
    assert (reply.outcome, reply.reason) == (outcome, "internal_error")
    assert logs[0]["delivery_id"] == str(given.delivery.id)
    assert "ann@" not in str(logs)


def test_it_all_holds_on_uvloop_too(certificate: Path, tls: ssl.SSLContext) -> None:
    """The worker's loop brings its own transports, and those change hands here."""
    outcomes: list[Outcome] = []

    async def send_all(channel: Attempting) -> None:
        big = EmailContent(subject="Big", text="é" * 200_000)
        mails = (work(), work(big), work(email="bob@example.org"))
        outcomes.extend([(await channel.send(mail)).reply.outcome for mail in mails])
        together = await asyncio.gather(*(channel.send(mail) for mail in mails))
        outcomes.extend([attempt.reply.outcome for attempt in together])

    async def scenario() -> None:
        async with relay() as server, sender(server.port, connections=1) as channel:
            await send_all(channel)
            server.hang_up()
            await send_all(channel)
        async with (
            server_tls(tls) as port,
            sender(
                port, "smtp+starttls", connections=1, ca_file=certificate / "cert.pem"
            ) as channel,
        ):
            await send_all(channel)

    def server_tls(context: ssl.SSLContext) -> Any:
        return server(Inbox(), tls_context=context, require_starttls=True)

    thread = threading.Thread(target=lambda: uvloop.run(scenario()))
    thread.start()
    thread.join(30)
    assert outcomes == [Outcome.ACCEPTED] * 18

"""Opening a connection to the relay: aiosmtplib connects, upgrades and logs in, then steps aside.

Its ``sendmail`` cannot tell whether a mail was handed over when the connection breaks, and does
not pipeline, so the transport is given to `SmtpProtocol` once the session stands.
"""

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import aiosmtplib

from fogbell.model.outcome import Outcome, Reply
from fogbell_worker.channels.email.classify import RELAY_STAGES, Stage, classify, scrub
from fogbell_worker.channels.email.parties import Owner
from fogbell_worker.channels.email.protocol import SmtpProtocol
from fogbell_worker.channels.email.replies import smtp_reply
from fogbell_worker.channels.email.session import Session
from fogbell_worker.channels.email.settings import EmailSettings, Security


class RelayError(Exception):
    """No session with the relay came about; ``reply`` is what that means for a delivery."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.reason)
        self.reply = reply


class Connector:
    """Opens sessions as the settings say. Reads the CA file when it is made, and fails then."""

    def __init__(self, settings: EmailSettings) -> None:
        self._relay = settings.relay
        self._security = settings.security
        self._timeout = settings.connect_timeout
        self._helo_name = settings.helo_name
        self._limit = settings.messages_per_connection
        self._tls = _tls_context(settings) if self._security is not Security.PLAIN else None

    async def connect(self, owner: Owner) -> Session:
        """A session that is connected, protected and logged in. Raises `RelayError`."""
        client = aiosmtplib.SMTP(
            hostname=self._relay.host,
            port=self._relay.port,
            local_hostname=self._helo_name,
            timeout=self._timeout,
            use_tls=self._security is Security.IMPLICIT,
            start_tls=False,
            tls_context=self._tls,
        )
        try:
            async with asyncio.timeout(self._timeout):
                await self._open(client)
                return self._take_over(client, owner)
        except TimeoutError as error:
            raise _unreachable("the relay did not answer in time") from error
        finally:
            client.close()  # a no-op once the transport was taken over

    async def _open(self, client: aiosmtplib.SMTP) -> None:
        with _as_relay_error(Stage.CONNECT):
            await client.connect()
            await _greet(client)
        if self._security in (Security.STARTTLS, Security.OPPORTUNISTIC):
            with _as_relay_error(Stage.TLS):
                await self._start_tls(client)
        if self._relay.username is not None:
            with _as_relay_error(Stage.AUTH):
                await client.login(self._relay.username, self._relay.password or "")

    async def _start_tls(self, client: aiosmtplib.SMTP) -> None:
        if not client.supports_extension("starttls"):
            if self._security is Security.OPPORTUNISTIC:
                return
            raise _relay_error("relay_tls", "the relay offers no STARTTLS")
        await client.starttls()
        await _greet(client)

    def _take_over(self, client: aiosmtplib.SMTP, owner: Owner) -> Session:
        """Put our protocol in the place of the client's, which forgets the transport."""
        transport = client.transport
        if transport is None or transport.is_closing():
            raise _unreachable("the relay closed the connection")
        protocol = SmtpProtocol()
        protocol.connection_made(transport)
        pipelining = client.supports_extension("pipelining")
        session = Session(protocol, pipelining=pipelining, owner=owner, limit=self._limit)
        protocol.session = session
        transport.set_protocol(protocol)
        client.transport = None
        return session


async def _greet(client: aiosmtplib.SMTP) -> None:
    try:
        await client.ehlo()
    except aiosmtplib.SMTPHeloError:
        await client.helo()


def _tls_context(settings: EmailSettings) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=settings.ca_file)
    if settings.security is Security.OPPORTUNISTIC or not settings.verify_certificates:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


@contextmanager
def _as_relay_error(stage: Stage) -> Iterator[None]:
    """Turn what aiosmtplib raises at ``stage`` into a `RelayError`."""
    try:
        yield
    except aiosmtplib.SMTPResponseException as error:
        raise _refused(stage, error) from error
    except (OSError, aiosmtplib.SMTPException) as error:
        raise _failure(stage, error) from error


def _refused(stage: Stage, error: aiosmtplib.SMTPResponseException) -> RelayError:
    if error.code < 200:  # aiosmtplib's own code for what is no reply at all
        return _relay_error("relay_protocol", "the server's answer is no SMTP reply")
    return RelayError(classify(stage, smtp_reply(error.code, error.message.split("\n"))))


def _failure(stage: Stage, error: Exception) -> RelayError:
    cause = error.__cause__ if isinstance(error.__cause__, ssl.SSLError) else error
    if isinstance(cause, ssl.SSLError):
        why = getattr(cause, "verify_message", "") or cause.reason or "the handshake failed"
        return _relay_error("relay_tls", f"TLS: {why}")
    if isinstance(error, OSError):  # lost, refused, timed out, no such host
        return _unreachable(_why(error))
    return _relay_error(RELAY_STAGES[stage], str(error))


def _why(error: OSError) -> str:
    return type(error.__cause__ or error).__name__


def _unreachable(detail: str) -> RelayError:
    return _relay_error("relay_unreachable", detail)


def _relay_error(reason: str, detail: str) -> RelayError:
    return RelayError(Reply(Outcome.TRANSIENT, reason=reason, detail=scrub(detail)))

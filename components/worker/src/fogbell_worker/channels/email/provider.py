"""SMTP relays: compose, hand over, and say what came of it."""

import asyncio
import traceback
from datetime import UTC, datetime

import structlog

from fogbell.model.outcome import Fault, Outcome, Reply
from fogbell.model.status import Channel
from fogbell_worker.channels.email.classify import cut_off
from fogbell_worker.channels.email.compose import Mail, compose
from fogbell_worker.channels.email.connection import Connector, RelayError
from fogbell_worker.channels.email.headers import InvalidHeaderError
from fogbell_worker.channels.email.outgoing import Outgoing
from fogbell_worker.channels.email.pool import ConnectionPool
from fogbell_worker.channels.email.settings import EmailSettings
from fogbell_worker.providers import Message, ProviderKind, RenderedEmail
from fogbell_worker.providers.interface import BusyError

_log = structlog.get_logger(__name__)

EmailMessage = Message[RenderedEmail, str]


class SmtpProvider:
    """Sends over one relay. To be made and used within one event loop."""

    def __init__(self, settings: EmailSettings) -> None:
        self._settings = settings
        self._id_domain = settings.id_domain
        self.pool = ConnectionPool(
            Connector(settings).connect,
            size=settings.connections,
            idle_seconds=settings.idle_seconds,
        )

    async def send(self, message: EmailMessage) -> Reply:
        """Try once. Every ending but cancellation is a `Reply`.

        Raises `BusyError` where all connections were busy for too long: nothing was tried then.
        """
        outgoing: Outgoing | None = None
        try:
            mail = self._composed(message)
            if isinstance(mail, Reply):
                return mail
            outgoing = self._outgoing(mail, message.deadline)
            return await self.pool.send(outgoing)
        except RelayError as error:
            return error.reply
        except BusyError:
            raise
        except TimeoutError:
            return _timed_out(handed_over=outgoing is not None and outgoing.handed_over)
        except Exception as error:
            handed_over = outgoing is not None and outgoing.handed_over
            return _internal_error(message, error, handed_over=handed_over)

    def check(self, message: EmailMessage) -> Reply | None:
        """Why ``message`` makes no mail, or None."""
        mail = self._composed(message)
        return mail if isinstance(mail, Reply) else None

    async def close(self) -> None:
        """Say QUIT on all connections; sends under way must have ended."""
        await self.pool.close()

    def _outgoing(self, mail: Mail, deadline: float) -> Outgoing:
        """Of its time a mail may wait for its turn as long as connecting may take, and no more than
        half: the rest is for the relay's answer, once the mail is handed over.
        """
        now = asyncio.get_running_loop().time()
        wait = min(self._settings.connect_timeout, (deadline - now) / 2)
        return Outgoing(mail, deadline=deadline, turn_by=now + wait)

    def _composed(self, message: EmailMessage) -> Mail | Reply:
        try:
            return compose(
                message.content,
                to=message.address,
                default_from=self._settings.from_address,
                message_id=f"{message.idempotency_key}@{self._id_domain}",
                now=datetime.now(UTC),
                envelope_from=self._settings.envelope_from,
            )
        except InvalidHeaderError as error:
            # Not masked: it holds nothing of the value, and the address in it is an example.
            return Reply(Outcome.PERMANENT, reason="invalid_header", detail=str(error))


def _timed_out(*, handed_over: bool) -> Reply:
    where = "after" if handed_over else "before"
    return cut_off(
        handed_over=handed_over,
        reason="timeout",
        detail=f"no answer within the time limit, {where} the mail was handed over",
    )


def _internal_error(message: EmailMessage, error: Exception, *, handed_over: bool) -> Reply:
    """Log where it happened, not what it said: an exception's text may hold content."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    _log.error(
        "email_internal_error",
        delivery_id=str(message.delivery_id),
        error=type(error).__name__,
        where=f"{frame.name}:{frame.lineno}",
    )
    return cut_off(
        handed_over=handed_over,
        reason="internal_error",
        detail=type(error).__name__,
        fault=Fault.MESSAGE,
    )


KIND = ProviderKind(Channel.EMAIL, EmailSettings, SmtpProvider)
"""The kind ``smtp``."""

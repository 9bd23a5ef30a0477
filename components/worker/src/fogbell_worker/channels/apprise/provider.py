"""Apprise as a provider: who may be sent to, and what became of it."""

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from fogbell.model.address import AppriseAddress
from fogbell.model.outcome import Fault, Outcome, Reply
from fogbell.model.status import Channel
from fogbell.rendering import RenderedApprise
from fogbell_worker.channels.apprise.classify import classify, classify_pause
from fogbell_worker.channels.apprise.settings import AppriseSettings
from fogbell_worker.channels.apprise.threads import BusyError, OverdueError, Threads
from fogbell_worker.channels.apprise.urls import bad_address, refusal, scheme_of
from fogbell_worker.providers import Message, ProviderKind

if TYPE_CHECKING:
    from fogbell_worker.channels.apprise import library

log = structlog.get_logger(__name__)

ToTarget = Message[RenderedApprise, AppriseAddress]

_LEAST_WAIT = 0.05


class AppriseProvider:
    """Sends through Apprise to the services of the operator's list.

    Each address is of some service or other: what one of them does never counts against this
    provider. To be made within the event loop that it is used in.
    """

    def __init__(self, settings: AppriseSettings) -> None:
        # Not at the top: it imports Apprise, and workers without this channel load this module.
        from fogbell_worker.channels.apprise import library

        self._library = library
        self._settings = settings
        self._limits = library.Limits(settings.connect_timeout, settings.read_timeout)
        self._threads: Threads[Reply] = Threads(settings.threads)
        library.leave_environment()
        free = sorted(scheme for scheme in settings.schemes if library.names_host(scheme))
        if free:
            log.warning("apprise_schemes_reach_any_host", schemes=free)

    def check(self, message: ToTarget) -> Reply | None:
        """Why ``message`` would be refused without asking the service, or None."""
        url = message.address.url.get_secret_value()
        refused = refusal(url, self._settings.schemes)
        if refused is not None:
            return refused
        target = self._target(url, message.content)
        return target if isinstance(target, Reply) else None

    async def send(self, message: ToTarget) -> Reply:
        """Try once. Raises only on cancellation, which leaves the thread to its end."""
        url, content = message.address.url.get_secret_value(), message.content
        refused = refusal(url, self._settings.schemes)
        if refused is not None:
            return refused
        # What starts with less time than one exchange may take would be cut off: ambiguous.
        start_by = message.deadline - self._limits.connect - self._limits.read
        try:
            return await self._threads.run(
                lambda: _about_this(self._sent(url, content)),
                start_by=max(start_by, asyncio.get_running_loop().time() + _LEAST_WAIT),
                deadline=message.deadline,
            )
        except BusyError:
            return Reply(Outcome.TRANSIENT, reason="busy", detail="no thread was free in time")
        except OverdueError:
            return _about_this(Reply(Outcome.AMBIGUOUS, reason="timeout"))

    async def close(self) -> None:
        """Nothing is kept open; threads that hang end with the process."""

    def _sent(self, url: str, content: RenderedApprise) -> Reply:
        """In a thread: all of Apprise's code for one message."""
        target = self._target(url, content)
        if isinstance(target, Reply):
            return target
        started = time.monotonic()
        try:
            said = target.send(content.title, content.body)
        except self._library.AskedToWaitError as error:
            return classify_pause(error.seconds)
        except Exception as error:  # the type alone: its text may hold the URL
            return Reply(Outcome.AMBIGUOUS, reason="internal_error", detail=type(error).__name__)
        silent = time.monotonic() - started >= self._limits.read
        return classify(said.accepted, said.status, was_silent=silent)

    def _target(self, url: str, content: RenderedApprise) -> "library.Target | Reply":
        try:
            target = self._library.Target(scheme_of(url), url, self._limits)
        except self._library.BadTargetError as error:
            return bad_address(str(error))
        detail = target.too_large(content.title, content.body)
        if detail is not None:
            return Reply(Outcome.PERMANENT, reason="too_large", detail=detail)
        return target


def _about_this(reply: Reply) -> Reply:
    return reply if reply.outcome is Outcome.ACCEPTED else replace(reply, fault=Fault.MESSAGE)


KIND = ProviderKind(Channel.APPRISE, AppriseSettings, AppriseProvider)
"""The kind ``apprise``."""

"""Providers that answer as they are told, and senders that walk over them."""

import dataclasses
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from tests.support.providers import work_for
from tests.support.routing import routed

from fogbell.model.address import Addresses
from fogbell.model.content import SmsContent
from fogbell.model.outcome import Attempt, Fault, Outcome, Reply
from fogbell.model.status import Channel
from fogbell_worker.providers import Message, ProviderKind, ProviderSettings
from fogbell_worker.providers.configured import Provided
from fogbell_worker.providers.routing import RoutedSender
from fogbell_worker.sending import Work

ACCEPTED = Reply(Outcome.ACCEPTED, code="201")
DOWN = Reply(Outcome.TRANSIENT, reason="unreachable")
REFUSES_US = Reply(Outcome.TRANSIENT, code="401", reason="gateway_auth")
NOBODY = Reply(Outcome.PERMANENT, reason="bad_address")
NOT_HERE = Reply(Outcome.PERMANENT, reason="unroutable", fault=Fault.PROVIDER)
UNSURE = Reply(Outcome.AMBIGUOUS, reason="no_reply")
FULL = Reply(Outcome.TRANSIENT, reason="mailbox_full", fault=Fault.MESSAGE)

Answer = Reply | Callable[[Message[Any, Any]], Awaitable[Reply]]


@dataclass
class Scripted:
    """A provider that answers as it is told; the last answer stays."""

    answers: list[Answer]
    got: list[Message[Any, Any]] = field(default_factory=list)
    closed: bool = False

    async def send(self, message: Message[Any, Any]) -> Reply:
        self.got.append(message)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return answer if isinstance(answer, Reply) else await answer(message)

    async def close(self) -> None:
        self.closed = True


def scripted(*answers: Answer) -> Scripted:
    """One that gives ``answers`` in turn."""
    return Scripted(list(answers))


def given(
    name: str, provider: Scripted, channel: Channel = Channel.SMS, **settings: Any
) -> Provided:
    """``provider`` as it would have been configured."""
    kind = ProviderKind(channel, ProviderSettings, lambda _: provider)
    return Provided(name, "scripted", kind, ProviderSettings(**settings))


def sender(*providers: Scripted, timeout: float = 5.0, **more: Any) -> RoutedSender:
    """An SMS sender over ``providers``, called a, b, c."""
    named = [given(n, p, send_timeout=timeout) for n, p in zip("abc", providers, strict=False)]
    return routed(Channel.SMS, *named, **more)


def text(*, doubtful: str | None = None, **more: Any) -> Work:
    """A claimed text message; ``more`` goes to `work_for`."""
    content, to = SmsContent(text="hi"), Addresses(sms="+15005550006")
    work = work_for(Channel.SMS, content, to, **more)
    delivery = dataclasses.replace(work.delivery, doubtful=doubtful)
    return dataclasses.replace(work, delivery=delivery)


async def tried(sender: RoutedSender, work: Work | None = None) -> Attempt:
    """What came of a send that has to be tried."""
    sent = await sender.send(work or text())
    assert isinstance(sent, Attempt)
    return sent


@dataclass
class Grants:
    """A rate with so many grants left."""

    left: int = 0
    wait: float = 7.0

    async def try_acquire(self, n: int = 1) -> float:
        """As a limiter's."""
        self.left -= n
        return 0.0 if self.left >= 0 else self.wait

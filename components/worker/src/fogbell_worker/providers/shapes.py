"""What each channel renders, and where its address is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fogbell.model.outcome import Outcome, Reply
from fogbell.model.status import Channel
from fogbell.rendering import (
    RenderedApprise,
    RenderedEmail,
    RenderedPart,
    RenderedPush,
    RenderedSms,
    RenderedWebhook,
)
from fogbell_worker.sending import Work


def _nothing(_: RenderedPart) -> Reply | None:
    return None


def _empty_text(content: RenderedPart) -> Reply | None:
    text = content.text if isinstance(content, RenderedSms) else None
    if isinstance(content, RenderedApprise):
        text = content.body
    if text is not None and not text.strip():
        return Reply(Outcome.PERMANENT, reason="empty_message")
    return None


@dataclass(frozen=True, slots=True)
class Shape:
    """One channel: what content renders to, whom it goes to (None: nobody), what is no message."""

    rendered: type[RenderedPart]
    address: Callable[[Work], object | None]
    refusal: Callable[[RenderedPart], Reply | None] = _nothing


SHAPES: Mapping[Channel, Shape] = {
    Channel.EMAIL: Shape(RenderedEmail, lambda work: work.addresses.email),
    Channel.SMS: Shape(RenderedSms, lambda work: work.addresses.sms, _empty_text),
    Channel.PUSH: Shape(RenderedPush, lambda work: work.push),
    Channel.WEBHOOK: Shape(RenderedWebhook, lambda work: work.addresses.webhook),
    Channel.APPRISE: Shape(RenderedApprise, lambda work: work.addresses.apprise, _empty_text),
}

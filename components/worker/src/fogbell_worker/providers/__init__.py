"""Providers: what a package must know to serve a channel (docs/providers.md).

A package offers a `ProviderKind` as an entry point of the group ``fogbell.providers``. What stands
in ``__all__`` here is the whole interface, and stays.
"""

from fogbell.model.address import AppriseAddress, PushAddress, WebhookAddress
from fogbell.model.outcome import Fault, Outcome, Reply
from fogbell.model.status import Channel, Lane
from fogbell.rendering import (
    RenderedApprise,
    RenderedEmail,
    RenderedPush,
    RenderedSms,
    RenderedWebhook,
)
from fogbell_worker.providers.interface import (
    Message,
    Provider,
    ProviderKind,
    ProviderSettings,
)

__all__ = [
    "AppriseAddress",
    "Channel",
    "Fault",
    "Lane",
    "Message",
    "Outcome",
    "Provider",
    "ProviderKind",
    "ProviderSettings",
    "PushAddress",
    "RenderedApprise",
    "RenderedEmail",
    "RenderedPush",
    "RenderedSms",
    "RenderedWebhook",
    "Reply",
    "WebhookAddress",
]

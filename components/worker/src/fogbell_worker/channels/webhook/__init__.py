"""Webhooks: signed JSON (Standard Webhooks) posted to the recipient's own address.

`WebhookProvider` signs, `fogbell_worker.http` posts through its guard, `classify` reads the answer.
"""

from fogbell_worker.channels.webhook.provider import WebhookProvider
from fogbell_worker.channels.webhook.settings import WebhookSettings

__all__ = ["WebhookProvider", "WebhookSettings"]

"""Webhooks: signed JSON (Standard Webhooks) posted to the recipient's own address.

`WebhookSender` renders and signs, `fogbell_worker.http` posts through its guard, `classify` reads
the answer.
"""

from fogbell_worker.channels.webhook.sender import WebhookSender
from fogbell_worker.channels.webhook.settings import WebhookSettings

__all__ = ["WebhookSender", "WebhookSettings"]

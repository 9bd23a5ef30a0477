"""Webhooks: signed JSON (Standard Webhooks) posted to the recipient's own address.

`WebhookSender` renders and signs, `client` posts through `guard`, `classify` reads the answer.
"""

from fogbell_worker.channels.webhook.sender import WebhookSender
from fogbell_worker.channels.webhook.settings import WebhookSettings

__all__ = ["WebhookSender", "WebhookSettings"]

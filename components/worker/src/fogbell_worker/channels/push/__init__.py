"""Push messages: to apps through FCM's HTTP v1 interface, to browsers by Web Push.

Two providers, of which a device's address names one: `fcm` (with `tokens`) and `webpush` (with
`vapid` and `encryption`). Each has its own reading of answers in `classify_*`.
"""

from fogbell_worker.channels.push.fcm import FcmProvider
from fogbell_worker.channels.push.settings import FcmSettings, PushSettings, WebPushSettings
from fogbell_worker.channels.push.webpush import WebPushProvider

__all__ = ["FcmProvider", "FcmSettings", "PushSettings", "WebPushProvider", "WebPushSettings"]

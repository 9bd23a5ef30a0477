"""Push messages: to apps through FCM's HTTP v1 interface, to browsers by Web Push.

`PushSender` renders and picks the provider that the device's address names: `fcm` (with `tokens`)
or `webpush` (with `vapid` and `encryption`). Each has its own reading of answers in `classify_*`.
"""

from fogbell_worker.channels.push.sender import PushSender
from fogbell_worker.channels.push.settings import PushSettings

__all__ = ["PushSender", "PushSettings"]

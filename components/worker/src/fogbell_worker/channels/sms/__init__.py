"""Text messages: handed to an HTTP gateway in the form of Twilio's Messages resource.

`SmsSender` renders, `request` builds what is posted, `classify` reads the answer.
"""

from fogbell_worker.channels.sms.sender import SmsSender
from fogbell_worker.channels.sms.settings import SmsSettings

__all__ = ["SmsSender", "SmsSettings"]

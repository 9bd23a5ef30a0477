"""Text messages: handed to an HTTP gateway in the form of Twilio's Messages resource.

`TwilioProvider` posts, `request` builds what is posted, `classify` reads the answer.
"""

from fogbell_worker.channels.sms.provider import TwilioProvider
from fogbell_worker.channels.sms.settings import SmsSettings

__all__ = ["SmsSettings", "TwilioProvider"]

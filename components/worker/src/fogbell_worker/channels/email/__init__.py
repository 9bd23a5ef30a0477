"""E-mail over an SMTP relay.

`SmtpProvider` is what the worker uses. Beneath it, from pure to the wire: `headers` and `compose`
build mails, `replies`, `classify` and `transaction` understand answers, `session` holds the
dialogue for the mails that `pool` gives it, `connection` and `protocol` carry it.
"""

from fogbell_worker.channels.email.provider import SmtpProvider
from fogbell_worker.channels.email.settings import EmailSettings

__all__ = ["EmailSettings", "SmtpProvider"]

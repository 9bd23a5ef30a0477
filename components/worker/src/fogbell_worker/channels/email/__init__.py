"""E-mail over an SMTP relay.

`SmtpProvider` is what the worker uses. Beneath it, from pure to the wire: `headers` and `compose`
build mails, `replies` and `classify` understand answers, `protocol`, `connection`, `pool` and
`transaction` carry them.
"""

from fogbell_worker.channels.email.provider import SmtpProvider
from fogbell_worker.channels.email.settings import EmailSettings

__all__ = ["EmailSettings", "SmtpProvider"]

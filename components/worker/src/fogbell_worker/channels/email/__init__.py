"""E-mail over one SMTP relay.

`EmailSender` is what the worker uses. Beneath it, from pure to the wire: `headers` and `compose`
build mails, `replies` and `classify` understand answers, `protocol`, `connection`, `pool` and
`transaction` carry them.
"""

from fogbell_worker.channels.email.sender import EmailSender
from fogbell_worker.channels.email.settings import EmailSettings

__all__ = ["EmailSender", "EmailSettings"]

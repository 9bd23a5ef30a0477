"""Providers to send to: take mails, webhooks, texts and pushes, and write each down before the yes.

It runs as a process of its own (``python -m fogbell_local.sink``), and its ledger is on the disk
before the reply is on the wire. So what a sender believes delivered can be held against what
arrived, also after either was killed.
"""

from fogbell_local.sink.ledger import Entry, Outcome
from fogbell_local.sink.refusal import Outage
from fogbell_local.sink.server import Behaviour, SinkServer

__all__ = ["Behaviour", "Entry", "Outage", "Outcome", "SinkServer"]

"""Everything Fogbell asks of RabbitMQ, and the only package that imports its client.

The broker only wakes workers up: the record in MongoDB is the outbox, so nothing is lost if
RabbitMQ is wiped. Messages carry delivery ids, never content or addresses.
"""

from fogbell.broker.connection import BrokerUnavailableError
from fogbell.broker.consumer import Consumer, Received
from fogbell.broker.events import EventListener
from fogbell.broker.messages import Ids, InboxEvent, UndecodableMessageError
from fogbell.broker.publisher import Publisher
from fogbell.broker.queues import Looks, QueueLook, QueueWatch
from fogbell.broker.topology import Topology

__all__ = [
    "BrokerUnavailableError",
    "Consumer",
    "EventListener",
    "Ids",
    "InboxEvent",
    "Looks",
    "Publisher",
    "QueueLook",
    "QueueWatch",
    "Received",
    "Topology",
    "UndecodableMessageError",
]

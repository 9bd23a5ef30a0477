"""Dramatiq: one actor call a delivery. It always acknowledges once the actor has returned.

Sources: Dramatiq's guide and advanced topics: `confirm_delivery`, ``dramatiq_queue_prefetch``
(set by the bench), processes and threads on the command line. Its queues are durable, its messages
persistent.
"""

import dramatiq
from dramatiq.brokers.rabbitmq import RabbitmqBroker

from bench.peers import mail
from bench.peers.place import Place
from bench.peers.records import records

place = Place.of_environment()
broker = RabbitmqBroker(url=place.rabbitmq, confirm_delivery=True)
dramatiq.set_broker(broker)


@dramatiq.actor(actor_name="deliver", queue_name=place.queue, max_retries=0)
def deliver(id_: str) -> None:
    """Claim, send, record."""
    store = records()
    claimed = store.claim(id_)
    if claimed is not None:
        store.record(claimed, mail.send(claimed, place.smtp_port))

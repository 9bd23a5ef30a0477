"""Celery: one task a delivery, acknowledged once it is recorded.

Sources: Celery's user guide, "Optimizing" (a large prefetch for many short tasks), "Calling Tasks"
(results are ignored), "Configuration and defaults" (`task_acks_late`, quorum queues), and kombu's
`confirm_publish`. Gossip, mingle, heartbeats and events are off, on the command line.
"""

import celery

from bench.peers import mail
from bench.peers.place import Place
from bench.peers.records import records

place = Place.of_environment()
app = celery.Celery("bench", broker=place.rabbitmq)
app.conf.update(
    task_default_queue=place.queue,
    task_default_queue_type="quorum",
    task_default_exchange_type="direct",
    broker_transport_options={"confirm_publish": True},
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_ignore_result=True,
    task_store_errors_even_if_ignored=False,
    worker_prefetch_multiplier=place.prefetch,
    worker_disable_rate_limits=True,
    worker_send_task_events=False,
    broker_connection_retry_on_startup=True,
)


@app.task(name="deliver")
def deliver(id_: str) -> None:
    """Claim, send, record."""
    store = records()
    claimed = store.claim(id_)
    if claimed is not None:
        store.record(claimed, mail.send(claimed, place.smtp_port))

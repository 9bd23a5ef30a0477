"""The two servers that every component needs, from its settings. Nothing is opened here yet:
the database connects at its first operation, the publisher when it is started.
"""

from dataclasses import dataclass, field
from typing import Self

from fogbell.broker import Publisher, Topology
from fogbell.settings import Settings
from fogbell.store.database import Database
from fogbell.telemetry.metrics import ServerMetrics


@dataclass(frozen=True, slots=True)
class Connections:
    """MongoDB and RabbitMQ as one process uses them; whoever asked for them closes them.

    ``broker_uri`` holds a password; it is for consumers and listeners, which connect by themselves.
    """

    database: Database
    topology: Topology
    publisher: Publisher
    broker_uri: str = field(repr=False)

    @classmethod
    def of(cls, settings: Settings, *, name: str, metrics: ServerMetrics) -> Self:
        """What ``settings`` say; ``name`` is what both servers show for the process."""
        mongodb, rabbitmq = settings.mongodb, settings.rabbitmq
        topology = Topology(rabbitmq.prefix, rabbitmq.max_length)
        uri = rabbitmq.uri.get_secret_value()
        publisher = Publisher(uri, topology, name=name, count=metrics.published)
        metrics.connection("publisher", lambda: publisher.connected)
        database = Database(
            mongodb.uri.get_secret_value(),
            mongodb.database,
            app_name=name,
            on_command=metrics.mongodb.command,
        )
        return cls(database, topology, publisher, uri)

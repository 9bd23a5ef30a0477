"""The two servers that every component needs, from its settings. Nothing is opened here yet:
the database connects at its first operation, the publisher when it is started.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

from fogbell.broker import Publisher, Topology
from fogbell.settings import Settings
from fogbell.store.database import Database


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
    def of(cls, settings: Settings, *, name: str, count: Callable[[str], None]) -> Self:
        """What ``settings`` say; ``name`` is what both servers show for the process.

        ``count`` is told of each publish, as `Publisher` says.
        """
        mongodb, rabbitmq = settings.mongodb, settings.rabbitmq
        topology = Topology(rabbitmq.prefix, rabbitmq.max_length)
        uri = rabbitmq.uri.get_secret_value()
        return cls(
            Database(mongodb.uri.get_secret_value(), mongodb.database, app_name=name),
            topology,
            Publisher(uri, topology, name=name, count=count),
            uri,
        )

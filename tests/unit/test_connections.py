"""What every component opens from its settings."""

from collections.abc import Iterator
from uuid import UUID

import pytest
from prometheus_client import CollectorRegistry

from fogbell.connections import Connections
from fogbell.model.status import Channel, Lane
from fogbell.settings import MongoSettings, RabbitSettings, Settings
from fogbell.telemetry.metrics import ServerMetrics


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def servers(registry: CollectorRegistry) -> Iterator[Connections]:
    settings = Settings(
        mongodb=MongoSettings(uri="mongodb://127.0.0.1:1/", database="bells"),
        rabbitmq=RabbitSettings(uri="amqp://fog:s3cret@127.0.0.1:1/", prefix="b.", max_length=7),
    )
    servers = Connections.of(settings, name="bell", metrics=ServerMetrics(registry))
    yield servers
    servers.database.close()


def test_the_names_of_both_servers_are_those_of_the_settings(servers: Connections) -> None:
    assert servers.database.handle.name == "bells"
    assert servers.topology.queue(Channel.EMAIL, Lane.BULK) == "b.email.bulk"
    assert servers.topology.max_length == 7


async def test_what_is_published_before_the_start_is_counted_as_failed(
    servers: Connections, registry: CollectorRegistry
) -> None:
    assert not await servers.publisher.publish(Channel.EMAIL, Lane.BULK, [UUID(int=1)])
    assert registry.get_sample_value("fogbell_publish_total", {"outcome": "failed"}) == 1
    assert registry.get_sample_value("fogbell_publish_duration_seconds_count") == 0


def test_a_publisher_that_is_not_connected_shows_so(
    servers: Connections, registry: CollectorRegistry
) -> None:
    assert not servers.publisher.connected
    assert registry.get_sample_value("fogbell_rabbitmq_connected", {"connection": "publisher"}) == 0


def test_the_brokers_password_is_not_shown(servers: Connections) -> None:
    assert "s3cret" in servers.broker_uri
    assert "s3cret" not in repr(servers)

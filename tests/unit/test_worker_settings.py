"""The worker's settings: what one variable changes and what it leaves as it is."""

import pytest

from fogbell_worker.settings import WorkerSettings


@pytest.fixture(autouse=True)
def _addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOGBELL_MONGODB_URI", "mongodb://127.0.0.1/?replicaSet=rs0")
    monkeypatch.setenv("FOGBELL_RABBITMQ_URI", "amqp://127.0.0.1/")
    monkeypatch.setenv("FOGBELL_CHANNELS", "webhook")


def test_one_bound_of_a_lane_is_changed_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOGBELL_BULK__SLOTS", "7")
    bulk = WorkerSettings().bulk
    assert (bulk.slots, bulk.batches, bulk.prefetch) == (7, 2, 4)


def test_bulk_keeps_few_batches_so_that_a_kill_repeats_little() -> None:
    settings = WorkerSettings()
    assert settings.bulk.batches * settings.claim_batch <= 400
    assert settings.bulk.prefetch <= 4

"""A delivery as a worker holds it."""

from datetime import UTC, datetime

from fogbell.identity import uuid7
from fogbell.model.delivery import Claimed
from fogbell.model.status import Channel, Lane

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)


def test_a_replay_has_an_idempotency_key_of_its_own() -> None:
    def claimed(replays: int) -> Claimed:
        return Claimed(one, "t", one, "ann", Channel.EMAIL, Lane.BULK, NOW, replays=replays)

    one = uuid7()
    keys = [claimed(number).idempotency_key for number in range(3)]
    assert keys == [str(one), f"{one}-1", f"{one}-2"]

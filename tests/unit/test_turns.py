"""Long computations give way to the event loop, one at a time."""

import asyncio
from collections.abc import Iterator

import pytest

from fogbell.expansion import turns
from fogbell.expansion.plan import Contents, Planner, person_of_recipient
from fogbell.expansion.turns import Turns
from fogbell.identity import uuid7
from fogbell.model.content import Content
from fogbell.model.notification import Audience, Notification, Origin, OriginType
from fogbell.model.recipient import Recipient
from fogbell.model.status import Channel, Lane


class Rounds:
    """Counts the steps that were made in each round of the event loop."""

    def __init__(self) -> None:
        self.steps = 0
        self.seen: list[int] = []

    def step(self, item: int) -> Iterator[int]:
        self.steps += 1
        return iter([item, -item])

    async def watch(self) -> None:
        while True:
            before = self.steps
            await asyncio.sleep(0)
            self.seen.append(self.steps - before)


async def _shared(shared: Turns, rounds: Rounds, number: int) -> list[list[int]]:
    watch = asyncio.create_task(rounds.watch())
    made = await asyncio.gather(
        *(shared.flat_map(rounds.step, range(1, 21)) for _ in range(number))
    )
    watch.cancel()
    await asyncio.gather(watch, return_exceptions=True)
    return list(made)


async def test_however_many_compute_a_round_of_the_loop_has_one_slice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(turns, "SLICE", 0.0)
    rounds = Rounds()
    made = await _shared(Turns(), rounds, 5)
    assert made == [[sign * n for n in range(1, 21) for sign in (1, -1)]] * 5
    assert rounds.steps == 100
    assert max(rounds.seen) == 1


async def test_what_is_done_within_a_slice_gives_way_to_nobody() -> None:
    rounds = Rounds()
    turns_of_one = Turns()
    assert len(await turns_of_one.flat_map(rounds.step, [1])) == 2
    # It has not even suspended: a coroutine that does would need the loop here.
    with pytest.raises(StopIteration):
        turns_of_one.flat_map(rounds.step, [1]).send(None)


async def test_an_error_gives_the_turn_back() -> None:
    shared = Turns()
    with pytest.raises(ZeroDivisionError):
        await shared.flat_map(lambda n: [1 // n], [0])
    assert await shared.flat_map(lambda n: [1 // n], [1]) == [1]


async def test_rendering_for_many_people_gives_way_after_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One dear rendering is the longest that intake, or a worker, does not answer."""
    monkeypatch.setattr(turns, "SLICE", 0.0)
    notification = Notification(
        id=uuid7(),
        origin=Origin(OriginType.API, "shop"),
        channels=(Channel.INBOX,),
        lane=Lane.TRANSACTIONAL,
        audience=Audience(),
        content=Content.model_validate({"inbox": {"title": "{{ data.unknown }}"}}),
    )
    rounds = Rounds()

    def rendered() -> None:
        rounds.steps += 1

    planner = Planner(Contents(notification, None), rendered, Turns())
    people = [person_of_recipient(Recipient(id=f"r{n}")) for n in range(20)]
    watch = asyncio.create_task(rounds.watch())
    new = await planner.deliveries(people)
    watch.cancel()
    await asyncio.gather(watch, return_exceptions=True)
    assert [delivery.recipient_id for delivery in new] == [person.key for person in people]
    assert rounds.steps == 20
    assert max(rounds.seen) == 1

"""Places for sends."""

import asyncio

from fogbell_worker.slots import Slots


async def test_what_is_taken_is_known_and_the_next_one_waits() -> None:
    slots = Slots(2)
    await slots.acquire()
    await slots.acquire()
    third = asyncio.ensure_future(slots.acquire())
    await asyncio.sleep(0)
    assert (slots.taken, slots.waiting, third.done()) == (2, 1, False)
    slots.release()
    await third
    assert (slots.taken, slots.waiting) == (2, 0)


async def test_who_gives_up_waiting_has_taken_nothing() -> None:
    slots = Slots(1)
    await slots.acquire()
    waiting = asyncio.ensure_future(slots.acquire())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    slots.release()
    assert (slots.taken, slots.waiting) == (0, 0)

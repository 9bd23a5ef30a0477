"""How many sends of one lane may go on at once."""

import asyncio


class Slots:
    """A semaphore that says how many of its ``number`` places are ``taken``, and how many sends are
    ``waiting`` for one.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self.taken = 0
        self.waiting = 0
        self._free = asyncio.Semaphore(number)

    async def acquire(self) -> None:
        """Take one, once one is free."""
        self.waiting += 1
        try:
            await self._free.acquire()
        finally:
            self.waiting -= 1
        self.taken += 1

    def release(self) -> None:
        """Give one back."""
        self.taken -= 1
        self._free.release()

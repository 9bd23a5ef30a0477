"""A worker that dies of one mail, as a defect in rendering or a C library might make it.

``python -m tests.support.poisoned_worker``; all else is the real worker's.
"""

import asyncio
import os

from fogbell.model.outcome import Attempt, Deferred
from fogbell_worker import __main__
from fogbell_worker.providers import building
from fogbell_worker.providers.routing import RoutedSender
from fogbell_worker.sending import Work

POISON = "poison@example.org"
EXIT, SECONDS = 9, 0.25


class _PoisonedSender(RoutedSender):
    async def send(self, work: Work) -> Attempt | Deferred:
        if work.addresses.email == POISON:
            # It takes its time, as what eats up the memory does: others are under way by then.
            await asyncio.sleep(SECONDS)
            os._exit(EXIT)
        return await super().send(work)


if __name__ == "__main__":
    vars(building)["RoutedSender"] = _PoisonedSender
    __main__.main()

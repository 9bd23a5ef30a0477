"""A good client: it repeats what was not answered, under the same key, until it is."""

import asyncio
import contextlib
import itertools
from collections import Counter
from collections.abc import Sequence
from typing import TypeVar

from tests.support.system import SECRETS

from fogbell_client import AsyncFogbell, FogbellError, ProblemError, UnreachableError
from fogbell_client.call import Call
from fogbell_client.retrying import NO_RETRIES

T = TypeVar("T")

PAUSE = 0.3
"""Seconds between two tries of one request."""

TOO_MANY, FIRST_FAULT_OF_SERVERS = 429, 500


class Client:
    """Speaks to several intakes, as through a load balancer that does not know which of them live.

    ``answers`` counts what came of each try: a status, or the kind of silence.
    """

    def __init__(self, urls: Sequence[str]) -> None:
        self._intakes = [AsyncFogbell(url, SECRETS.api_key, retries=NO_RETRIES) for url in urls]
        self._turns = itertools.cycle(self._intakes)
        self.answers: Counter[str] = Counter()

    async def until_answered(self, call: Call[T]) -> T:
        """What ``call`` is answered with, however often it takes. Raises ProblemError for a no."""
        while True:
            try:
                answer = await next(self._turns).run(call)
            except FogbellError as error:
                self.answers[_word(error)] += 1
                if not _passes(error):
                    raise
                await asyncio.sleep(PAUSE)
            else:
                self.answers["answered"] += 1
                return answer

    async def once(self, call: Call[T]) -> T | None:
        """What ``call`` is answered with, asked once; None where that is not known, or was a no."""
        with contextlib.suppress(FogbellError):
            return await next(self._turns).run(call)
        return None

    async def close(self) -> None:
        """Close the connections."""
        await asyncio.gather(*(intake.close() for intake in self._intakes))


def _passes(error: FogbellError) -> bool:
    if isinstance(error, ProblemError):
        return error.status >= FIRST_FAULT_OF_SERVERS or error.status == TOO_MANY
    return isinstance(error, UnreachableError)


def _word(error: FogbellError) -> str:
    if isinstance(error, ProblemError):
        return f"{error.status} {error.code}"
    return type(error).__name__

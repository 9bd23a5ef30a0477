"""What goes wrong when: all of it drawn from a seed, before anything starts. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

from tests.chaos.kinds import LASTS, TURNING, Kind

PAUSE = (2.0, 5.0)
"""Seconds between two faults."""


@dataclass(frozen=True, slots=True)
class Planned:
    """One fault: ``pause`` seconds after the last was healed, for ``lasts`` seconds.

    ``pick`` (from 0 to 1) is whom it strikes, of those that there are then, and how: which worker
    is the ``pick``-th is told when it happens.
    """

    number: int
    kind: Kind
    pause: float
    lasts: float
    pick: float

    @property
    def seconds(self) -> float:
        """What it takes, about, with the pause before it."""
        return self.pause + self.lasts + TURNING.get(self.kind, 0.0)

    def __str__(self) -> str:
        return (
            f"{self.number:3}  {self.kind:18} after {self.pause:4.1f} s,"
            f" for {self.lasts:4.1f} s, pick {self.pick:.3f}"
        )


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a plan is drawn within: which kinds, the pauses, and the longest that a fault lasts."""

    kinds: Sequence[Kind] = tuple(Kind)
    pause: tuple[float, float] = PAUSE
    longest: float = 60.0


def draw(seed: int, seconds: float, bounds: Bounds | None = None) -> list[Planned]:
    """The faults that fill ``seconds``, about: at least one, each kind once before any again."""
    faults = _endless(Random(seed), bounds or Bounds())
    plan = [next(faults)]
    left = seconds - plan[0].seconds
    for planned in faults:
        left -= planned.seconds
        if left < 0:
            break
        plan.append(planned)
    return plan


def once_each(seed: int, bounds: Bounds) -> list[Planned]:
    """Every kind of ``bounds`` once, in the order that the seed draws."""
    faults = _endless(Random(seed), bounds)
    return [next(faults) for _ in bounds.kinds]


def _endless(chance: Random, bounds: Bounds) -> Iterator[Planned]:
    number = 0
    while True:
        for kind in chance.sample(list(bounds.kinds), k=len(bounds.kinds)):
            number += 1
            pause, lasts = chance.uniform(*bounds.pause), chance.uniform(*LASTS[kind])
            shortest, _ = LASTS[kind]
            lasts = max(shortest, min(lasts, bounds.longest))
            yield Planned(number, kind, round(pause, 1), round(lasts, 1), round(chance.random(), 3))

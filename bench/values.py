"""What a bench is made of: rows of cases, measured in rounds, held against aims."""

import statistics
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from bench.plot import Plot
from bench.sizes import Sizes

Figures = Mapping[str, float]
"""What one measurement gave, by name: ``rate`` is in whatever its row counts, a second."""

FOGBELL = "fogbell"


@dataclass(frozen=True, slots=True)
class Case:
    """One system at one setting, and how it is measured once."""

    system: str
    setting: str
    measure: Callable[[Plot], Awaitable[Figures]]


@dataclass(frozen=True, slots=True)
class Sample:
    """One measurement. Rounds count from 1."""

    system: str
    setting: str
    round: int
    figures: Figures


@dataclass(frozen=True, slots=True)
class Aim:
    """What a figure has to reach: ``least`` or ``most``, whichever is set.

    ``value`` is None where it could not be measured; then the aim is not met.
    """

    name: str
    value: float | None
    unit: str
    least: float | None = None
    most: float | None = None

    @property
    def met(self) -> bool:
        """Whether the value is within both bounds."""
        if self.value is None:
            return False
        above = self.least is None or self.value >= self.least
        return above and (self.most is None or self.value <= self.most)

    @property
    def text(self) -> str:
        """The bound in words."""
        if self.least is not None:
            return f"at least {self.least:g}"
        return f"at most {self.most:g}"


class Medians:
    """The medians of one row's samples."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        self._samples = samples

    def settings(self, system: str) -> list[str]:
        """What was measured of ``system``, in the order of its first samples."""
        return list(dict.fromkeys(s.setting for s in self._samples if s.system == system))

    def systems(self) -> list[str]:
        """Who was measured, in the order of the first samples."""
        return list(dict.fromkeys(s.system for s in self._samples))

    def names(self, system: str, setting: str) -> list[str]:
        """Which figures there are of one case."""
        found = self._of(system, setting)
        return list(dict.fromkeys(name for sample in found for name in sample.figures))

    def get(self, system: str, setting: str, name: str) -> float | None:
        """The median of one figure of one case, or None where it was not measured."""
        found = self._of(system, setting)
        values = [s.figures[name] for s in found if name in s.figures]
        return statistics.median(values) if values else None

    def best(self, system: str, name: str, *, least: bool = False) -> float | None:
        """The best median over the settings of a system: the highest, or the ``least``."""
        found = [self.get(system, setting, name) for setting in self.settings(system)]
        known = [value for value in found if value is not None]
        if not known:
            return None
        return min(known) if least else max(known)

    def best_of(self, systems: Sequence[str], name: str) -> float | None:
        """The highest of several systems' bests."""
        found = [self.best(system, name) for system in systems]
        known = [value for value in found if value is not None]
        return max(known) if known else None

    def _of(self, system: str, setting: str) -> list[Sample]:
        return [s for s in self._samples if (s.system, s.setting) == (system, setting)]


def label(processes: int) -> str:
    """The setting of so many processes."""
    return "1 process" if processes == 1 else f"{processes} processes"


def ratio(above: float | None, below: float | None) -> float | None:
    """``above / below``, or None where either is unknown, or there is nothing to divide by."""
    if above is None or not below:
        return None
    return above / below


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the bench: what is measured, of whom, and what it is held against.

    ``figure`` is the one that is compared, in ``unit``; ``people`` is how many recipients its
    database has, ``prepare`` makes sure that what it needs is here. ``once``: a row that grows, and
    is measured in one round.
    """

    name: str
    title: str
    figure: str
    unit: str
    cases: Callable[[Sizes], list[Case]]
    aims: Callable[[Medians], list[Aim]]
    people: Callable[[Sizes], int] = field(default=lambda _: 0)
    prepare: Callable[[], Awaitable[None]] | None = None
    less_is_better: bool = False
    once: bool = False

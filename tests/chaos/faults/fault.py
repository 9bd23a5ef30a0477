"""What every fault is: a name, how it begins, and how it is healed."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from tests.chaos.ground import Ground
from tests.chaos.plan import Planned

T = TypeVar("T")


@dataclass
class Fault(ABC):
    """One fault on a ground. ``struck`` says whom, once it has begun."""

    ground: Ground
    planned: Planned
    struck: str = ""

    @property
    def name(self) -> str:
        """Its kind's word."""
        return self.planned.kind.value

    @abstractmethod
    async def start(self) -> None:
        """Break it."""

    @abstractmethod
    async def heal(self) -> None:
        """Mend it; once this returns, what was broken can be used."""

    def choose(self, offered: Sequence[T]) -> T:
        """The one that the plan picks of those that there are."""
        assert offered, f"{self.name} found nothing to strike"
        return offered[int(self.planned.pick * len(offered))]

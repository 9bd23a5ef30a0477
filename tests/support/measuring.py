"""How long a system takes to recover: held to a generous bound, and told at the end of a run.

What is measured stands in the terminal's summary and, with ``--junit-xml``, in the report: from
there it gets into docs. The bound is for machines that are busy with other tests as well.
"""

from collections.abc import Awaitable, Callable, Iterator
from time import monotonic
from typing import Any

import pytest
from tests.support.waiting import eventually

PROPERTY = "seconds "


class Stopwatch:
    """Started when it is made, and again by `restart`: the moment when what was away is back."""

    def __init__(self, record: Callable[[str, object], None]) -> None:
        self._record = record
        self._began = monotonic()

    def restart(self) -> None:
        """Count from now."""
        self._began = monotonic()

    async def until(
        self, what: str, check: Callable[[], Any | Awaitable[Any]], within: float
    ) -> None:
        """Wait until ``check`` holds, at most ``within`` seconds in all."""
        await eventually(check, within - (monotonic() - self._began), 0.01)
        self.note(f"until {what}", monotonic() - self._began, within)

    def note(self, what: str, seconds: float, within: float) -> None:
        """Record how long ``what`` took, which has to be ``within`` seconds."""
        assert seconds <= within, f"{what}: {seconds:.1f} s"
        self._record(PROPERTY + what, round(seconds, 2))


def measured(reports: list[pytest.TestReport]) -> Iterator[str]:
    """A line for each thing that was measured: seconds, what, and the test's name."""
    for report in reports:
        for name, value in report.user_properties:
            if name.startswith(PROPERTY):
                what = name.removeprefix(PROPERTY)
                yield f"{value:>6} s {what}  ({report.nodeid.rpartition('::')[2]})"

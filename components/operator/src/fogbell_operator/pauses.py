"""How long until a Campaign whose run goes on is looked at again."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Pauses:
    """``first`` seconds while there is news, then twice as long each time, up to ``longest``.

    A run tells nobody that its counts have moved, so they have to be asked for.
    """

    first: float
    longest: float
    _pauses: dict[str, float] = field(default_factory=dict)

    def after(self, name: str, *, news: bool) -> float:
        """Seconds to wait after a look at ``name`` that has found ``news``, or none."""
        before = self._pauses.get(name)
        pause = self.first if news or before is None else min(before * 2, self.longest)
        self._pauses[name] = pause
        return pause

    def reset(self, name: str) -> None:
        """Begin anew: something was heard of ``name``, so more may follow soon; or it has ended."""
        self._pauses.pop(name, None)

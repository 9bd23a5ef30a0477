"""Where a session stands."""

from enum import Enum, auto


class Phase(Enum):
    """What the next reply is about. In ``ANSWERED`` and ``FREE`` none is expected: whatever comes
    before all that arrived at once is read shows that relay and session are out of step.
    """

    IDLE = auto()
    ENVELOPE = auto()
    ANSWERED = auto()
    FLUSHING = auto()
    BODY = auto()
    WITHDRAWING = auto()
    FREE = auto()
    QUITTING = auto()
    ENDED = auto()

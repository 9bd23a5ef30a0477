"""The kinds of faults: their words, and how long each of them lasts. Pure."""

from collections.abc import Mapping
from enum import StrEnum


class Kind(StrEnum):
    """What goes wrong."""

    KILL_INTAKE = "kill-intake"
    KILL_WORKER = "kill-worker"
    KILL_RETRY = "kill-retry"
    KILL_RUNNER = "kill-runner"
    FREEZE_WORKER = "freeze-worker"
    WRONG_CLOCK = "wrong-clock"
    MONGODB_KILL = "mongodb-kill"
    MONGODB_STEP_DOWN = "mongodb-step-down"
    MONGODB_FREEZE = "mongodb-freeze"
    MONGODB_SLOW = "mongodb-slow"
    MONGODB_RESET = "mongodb-reset"
    MONGODB_SILENT = "mongodb-silent"
    RABBITMQ_KILL = "rabbitmq-kill"
    RABBITMQ_FREEZE = "rabbitmq-freeze"
    RABBITMQ_PURGE = "rabbitmq-purge"
    RABBITMQ_WIPE = "rabbitmq-wipe"
    RABBITMQ_ALARM = "rabbitmq-alarm"
    RABBITMQ_SLOW = "rabbitmq-slow"
    RABBITMQ_RESET = "rabbitmq-reset"
    RABBITMQ_SILENT = "rabbitmq-silent"
    PROVIDER_LATER = "provider-later"
    PROVIDER_NEVER = "provider-never"
    PROVIDER_CUT = "provider-cut"
    PROVIDER_SILENT = "provider-silent"


NETWORK = frozenset(
    kind for kind in Kind if kind.value.endswith(("-slow", "-reset"))
    or kind in (Kind.MONGODB_SILENT, Kind.RABBITMQ_SILENT)
)  # fmt: skip
"""What needs something that stands between components and servers."""

Span = tuple[float, float]
"""The shortest and the longest, in seconds."""

LASTS: Mapping[Kind, Span] = {
    Kind.KILL_INTAKE: (0.5, 4),
    Kind.KILL_WORKER: (0.5, 6),
    Kind.KILL_RETRY: (0.5, 8),
    Kind.KILL_RUNNER: (0.5, 4),
    # Beyond the lease, and beyond the hold after it: others have taken over by then.
    Kind.FREEZE_WORKER: (13, 18),
    Kind.WRONG_CLOCK: (10, 20),
    Kind.MONGODB_KILL: (1, 8),
    Kind.MONGODB_STEP_DOWN: (1, 3),
    Kind.MONGODB_FREEZE: (3, 12),
    Kind.MONGODB_SLOW: (5, 10),
    Kind.MONGODB_RESET: (1, 6),
    Kind.MONGODB_SILENT: (3, 12),
    Kind.RABBITMQ_KILL: (0.5, 5),
    Kind.RABBITMQ_FREEZE: (3, 15),
    Kind.RABBITMQ_PURGE: (0.5, 1),
    Kind.RABBITMQ_WIPE: (0.5, 1),
    Kind.RABBITMQ_ALARM: (3, 10),
    Kind.RABBITMQ_SLOW: (5, 10),
    Kind.RABBITMQ_RESET: (1, 6),
    # Longer than two heartbeats, or nobody would notice.
    Kind.RABBITMQ_SILENT: (5, 25),
    Kind.PROVIDER_LATER: (4, 8),
    Kind.PROVIDER_NEVER: (2, 4),
    Kind.PROVIDER_CUT: (3, 6),
    Kind.PROVIDER_SILENT: (3, 6),
}
"""How long each of them lasts until it is healed."""

TURNING: Mapping[Kind, float] = {
    Kind.RABBITMQ_KILL: 5,
    Kind.RABBITMQ_WIPE: 6,
    Kind.RABBITMQ_ALARM: 6,
    Kind.MONGODB_KILL: 4,
    Kind.MONGODB_FREEZE: 1,
    Kind.MONGODB_STEP_DOWN: 3,
    Kind.WRONG_CLOCK: 3,
    Kind.FREEZE_WORKER: 1,
}
"""What beginning and healing take besides, about, on two cores: a node has to start."""

"""Where a peer's processes find everything: environment variables, set by the bench."""

import os
from dataclasses import asdict, dataclass
from typing import Self

_PREFIX = "BENCH_"


@dataclass(frozen=True, slots=True)
class Place:
    """Addresses and names. ``smtp_port`` is that of a relay on loopback, 0 for a send that does
    nothing. ``prefetch`` is in messages, for each process or each thread as the system counts.
    """

    mongodb: str
    rabbitmq: str
    database: str
    queue: str
    smtp_port: int = 0
    prefetch: int = 64

    @classmethod
    def of_environment(cls) -> Self:
        """What the bench has said."""
        told = {k.removeprefix(_PREFIX).lower(): v for k, v in os.environ.items()}
        return cls(
            told["mongodb"], told["rabbitmq"], told["database"], told["queue"],
            int(told["smtp_port"]), int(told["prefetch"]),
        )  # fmt: skip

    def environment(self) -> dict[str, str]:
        """As `of_environment` reads it."""
        return {_PREFIX + name.upper(): str(value) for name, value in asdict(self).items()}

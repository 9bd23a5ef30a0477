"""What bounds one lane of one channel."""

from dataclasses import dataclass

from fogbell.model.status import Channel, Lane


@dataclass(frozen=True, slots=True)
class LaneSettings:
    """What bounds one lane of one channel.

    ``batch``: ids a claim; ``batches``: claims at once that are not sent yet; ``slots``: sends at
    once; ``lease`` and ``margin`` in seconds: no send starts unless it has surely ended, and can be
    recorded, before the lease does. ``per_host``: sends at once to one receiver of webhooks; None:
    any number.
    """

    channel: Channel
    lane: Lane
    batch: int
    batches: int
    slots: int
    lease: float
    margin: float
    per_host: int | None = None

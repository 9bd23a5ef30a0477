"""What the operator is told besides what every component is."""

from pathlib import Path
from typing import ClassVar, Self

from pydantic import Field, model_validator

from fogbell.settings import Group, Offered, Seconds, Settings


class OperatorSettings(Group):
    """Whom it serves, and how often it looks."""

    namespace: str | None = Field(default=None, pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")
    """The namespace whose Campaigns it serves; None: the one that it runs in."""

    resync_seconds: Seconds = 30
    """Every Campaign is looked at so often, whatever was or was not heard of it."""

    stale_seconds: Seconds = 120
    """After so long without a resync that did its work the process ends, to be started anew."""

    progress_seconds: Seconds = 3
    """How often a run under way is counted; less often while its counts stand still."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.stale_seconds <= self.resync_seconds:
            raise ValueError("expected stale_seconds to be more than resync_seconds")
        return self


class RunnerSettings(Group):
    """What runs a campaign: the pod of its CronJob."""

    template_file: Path
    """A PodTemplateSpec in YAML; the operator adds what tells a run from the others."""

    image: str | None = Field(default=None, min_length=1)
    """In place of the template's, where a tool of development names it anew at each build."""

    active_deadline_seconds: int = Field(default=6 * 3600, ge=60)
    """A runner is ended after so long. What it has not expanded by then, workers expand."""


class OperatorComponentSettings(Settings):
    """All of the operator's settings."""

    makes_spans: ClassVar[bool] = False

    operator: OperatorSettings = OperatorSettings()
    runner: RunnerSettings

    offered_channels: Offered = None
    """``FOGBELL_OFFERED_CHANNELS``, as intake has it: a Campaign over any other channel is not
    ready. None: not checked."""

"""What the runner is told, by environment variables (see `fogbell.settings`)."""

from typing import Annotated, Any

from pydantic import AwareDatetime, BeforeValidator, Field, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import NoDecode

from fogbell.model.campaign import LONGEST_NAME, CampaignSpec
from fogbell.settings import Group, JobSettings, Offered, Seconds


def _read(value: Any) -> Any:
    """The spec from its JSON; raises ValueError with every wrong field, and no field's value."""
    if not isinstance(value, str):
        return value
    try:
        return CampaignSpec.model_validate_json(value)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False)
        raise ValueError("; ".join(_sentence(problem) for problem in problems)) from None


def _sentence(problem: ErrorDetails) -> str:
    place = ".".join(str(name) for name in problem["loc"])
    expected = problem["msg"].removeprefix("Value error, ")
    return f"{place}: {expected}" if place else expected


class CampaignGroup(Group):
    """Which run of which Campaign this is. The operator sets all of it."""

    spec: Annotated[CampaignSpec, NoDecode, BeforeValidator(_read)]
    """The Campaign's ``spec`` as JSON."""

    namespace: str = Field(min_length=1, max_length=63)
    name: str = Field(min_length=1, max_length=LONGEST_NAME)
    uid: str = Field(min_length=1, max_length=128)
    """The Campaign's: one that is made again under its name has runs of its own."""

    cluster: str | None = Field(default=None, max_length=64)
    """What stands for its cluster: only the operator of that one may miss the Campaign."""

    effective_since: AwareDatetime | None = None
    """When its schedule, zone, deadline or suspension last changed."""

    job_name: str = Field(min_length=1, max_length=253)
    """The label ``batch.kubernetes.io/job-name``: it names the scheduled time."""

    controller_uid: str = Field(min_length=1, max_length=128)
    """The label ``batch.kubernetes.io/controller-uid``: it tells Jobs made by hand apart."""


class RunGroup(Group):
    """How a run is made."""

    patience_seconds: Seconds = 600
    """How long to go on without MongoDB, and how late a run that was started in time may begin."""


class CampaignSettings(JobSettings):
    """Settings of the runner."""

    campaign: CampaignGroup
    run: RunGroup = RunGroup()

    offered_channels: Offered = None
    """``FOGBELL_OFFERED_CHANNELS``, as intake has it: a run over any other channel is refused, for
    its deliveries would wait for ever. None: not checked."""

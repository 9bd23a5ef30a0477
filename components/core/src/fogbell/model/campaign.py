"""The `Campaign` resource's spec, and what one firing of it means. Pure.

The operator and the runner share it: the one names what the other reads back. Field names are the
resource's own (camelCase in documents); the limits are those of ``k8s/crds/campaigns.yaml``, whose
rules the API server has already applied. A test holds the two equal.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Self

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    field_validator,
    model_validator,
)
from pydantic.alias_generators import to_camel

from fogbell.model.address import RecipientId
from fogbell.model.content import Content, TemplateName
from fogbell.model.cronjob import scheduled_job
from fogbell.model.recipient import Group
from fogbell.model.status import Channel

API_GROUP, API_VERSION, KIND, PLURAL = "fogbell.dev", "v1alpha1", "Campaign", "campaigns"

LONGEST_NAME = 40
"""Characters of a Campaign's name: its CronJob's may have 52."""

CLOCKS_APART = timedelta(minutes=1)
"""By how much the clocks of Kubernetes and MongoDB may differ."""

_DURATION = re.compile(r"([0-9]{1,6})(s|m|h|d)")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
DURATION = r"^[1-9][0-9]{0,5}[smhd]$"


class _Spec(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, alias_generator=to_camel, populate_by_name=True
    )


class CampaignAudience(_Spec):
    """Who is meant: everyone, or groups, recipients and a match on attributes."""

    all: bool = False
    groups: list[Group] = Field(default_factory=list, max_length=100)
    recipients: list[RecipientId] = Field(default_factory=list, max_length=1000)
    match: dict[str, JsonValue] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _somebody(self) -> Self:
        named = bool(self.groups or self.recipients or self.match)
        if self.all == named:
            raise ValueError("expected either 'all: true' or groups, recipients or a match")
        return self


class CampaignTemplate(_Spec):
    """A template by name; without a version, the newest when the run starts."""

    name: TemplateName
    version: int | None = Field(default=None, ge=1)


class Throttle(_Spec):
    """How fast a run may go."""

    per_second: int = Field(ge=1, le=100_000)
    """People a second, over all channels."""


class CampaignSpec(_Spec):
    """What a team writes."""

    schedule: str | None = Field(default=None, min_length=1, max_length=120)
    """Five fields of cron; without it the campaign runs once, ``at``."""

    at: AwareDatetime | None = None
    """The whole minute at which it runs once."""

    time_zone: str | None = Field(default=None, max_length=64)
    """The zone that ``schedule`` is read in (IANA); UTC without it."""

    suspend: bool = False
    """No further run starts; a run under way goes on."""

    starting_deadline_seconds: int = Field(default=300, ge=30, le=86_400)
    """A run that could not start for so long is missed."""

    successful_runs_history_limit: int = Field(default=3, ge=1, le=100)
    failed_runs_history_limit: int = Field(default=3, ge=1, le=100)
    audience: CampaignAudience
    channels: list[Channel] = Field(min_length=1, max_length=len(Channel))
    template: CampaignTemplate | None = None
    content: Content | None = None
    data: dict[str, JsonValue] = Field(default_factory=dict)
    throttle: Throttle | None = None
    expires_after: Annotated[str, Field(pattern=DURATION)] | None = None
    """How long after its scheduled time a run may still be sent: ``90m``, ``12h``, ``3d``."""

    @field_validator("content", mode="before")
    @classmethod
    def _as_posted(cls, value: object) -> object:
        """The resource's one name that the HTTP interface writes otherwise."""
        match value:
            case {"email": {"replyTo": reply_to, **email}, **others}:
                return {**others, "email": {**email, "reply_to": reply_to}}
        return value

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        if (self.schedule is None) == (self.at is None):
            raise ValueError("expected exactly one of 'schedule' and 'at'")
        if (self.template is None) == (self.content is None):
            raise ValueError("expected exactly one of 'template' and 'content'")
        if self.at is not None and (self.at.second or self.at.microsecond):
            raise ValueError("expected 'at' to be a whole minute")
        return self

    @property
    def lifetime(self) -> timedelta | None:
        """``expires_after`` as a duration."""
        return None if self.expires_after is None else duration(self.expires_after)


def duration(text: str) -> timedelta:
    """``90m`` as a duration; raises ValueError."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError("expected a whole number of s, m, h or d, such as 90m")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def cronjob_name(campaign: str) -> str:
    """The name of a Campaign's CronJob; at most 52 characters (Kubernetes' limit)."""
    return f"campaign-{campaign}"


@dataclass(frozen=True, slots=True)
class Firing:
    """Why a run's Job exists.

    ``scheduled_for`` is set where the CronJob made it, None where somebody made a Job by hand.
    ``key`` is what stands for the firing in the run's id.
    """

    key: str
    scheduled_for: datetime | None = None


def firing(cronjob: str, job_name: str, controller_uid: str) -> Firing:
    """The firing that a Job of ``cronjob`` stands for.

    Two Jobs of one scheduled name are one firing. A Job of any other name is a firing of its own,
    told by its uid, so that one that is made again sends again.
    """
    job = scheduled_job(job_name)
    if job is None or job.cronjob != cronjob:
        return Firing(key=f"manual:{controller_uid}")
    return Firing(key=f"scheduled:{job.time.isoformat()}", scheduled_for=job.time)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a run must not start: ``reason`` in CamelCase, as in a condition, and a sentence."""

    reason: str
    sentence: str


def refusal(spec: CampaignSpec, firing: Firing, effective_since: datetime | None) -> Refusal | None:
    """Whether a firing is one that nobody asked for; None where it may go on.

    A CronJob whose schedule, zone, deadline or suspension has changed may fire for a time that lay
    before the change (tried on Kubernetes 1.34): ``effective_since`` is when it was changed. And
    cron has no years: a Job for ``at`` may come in the wrong one.
    """
    scheduled = firing.scheduled_for
    if scheduled is None:
        return None
    if spec.at is not None and scheduled != spec.at:
        return Refusal(
            "NotAt",
            f"The Job is for {_shown(scheduled)}, but the campaign is for {_shown(spec.at)}.",
        )
    if effective_since is not None and scheduled < effective_since:
        return Refusal(
            "BeforeChange",
            f"The Job is for {_shown(scheduled)}, before the campaign was last changed"
            f" ({_shown(effective_since)}).",
        )
    return None


def untimely(
    spec: CampaignSpec, firing: Firing, now: datetime, patience: timedelta
) -> Refusal | None:
    """Whether it is too early or too late to begin a firing's run; None where it may begin.

    Anybody may make a Job with a scheduled name, of next year or of last year. ``patience`` is how
    long a run that was started in time may be held up, by MongoDB or by a slow pod. What has begun
    goes on however late it is: this is not asked of it.
    """
    scheduled = firing.scheduled_for
    if scheduled is None:
        return None
    if scheduled > now + CLOCKS_APART:
        return Refusal("NotDue", f"The Job is for {_shown(scheduled)}, and it is {_shown(now)}.")
    deadline = scheduled + timedelta(seconds=spec.starting_deadline_seconds)
    if now > deadline + patience:
        return Refusal(
            "Missed",
            f"The run of {_shown(scheduled)} had to start by {_shown(deadline)},"
            f" and it is {_shown(now)}.",
        )
    if spec.lifetime is not None and now >= scheduled + spec.lifetime:
        return Refusal(
            "Expired",
            f"The run of {_shown(scheduled)} was to be sent within {spec.expires_after},"
            f" and it is {_shown(now)}.",
        )
    return None


def _shown(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

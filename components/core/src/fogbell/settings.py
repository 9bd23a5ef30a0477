"""Settings from the environment: grouped, documented, and refused with a sentence.

Every variable starts with ``FOGBELL_``; groups are separated by ``__``
(``FOGBELL_PROTOCOL__LEASE_SECONDS=30``). The two addresses that every installation needs also have
short forms: ``FOGBELL_MONGODB_URI`` and ``FOGBELL_RABBITMQ_URI``. Nothing is read at import.
"""

import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict, SettingsError

from fogbell.model.status import Channel
from fogbell.policy import Retention, RetryPolicy
from fogbell.settings_report import DELIMITER, PREFIX, describe, slips, unreadable
from fogbell.telemetry import exporting
from fogbell.telemetry.summary import leave_summary

SERVICE_EXIT, JOB_EXIT = 2, 42
"""What a process ends with on wrong settings; a Job's is named in its podFailurePolicy."""

Seconds = Annotated[float, Field(gt=0)]


def words(value: object) -> object:
    """``email,inbox`` as a list; what is no text stays as it is."""
    return [word.strip() for word in value.split(",")] if isinstance(value, str) else value


Channels = Annotated[frozenset[Channel], NoDecode, BeforeValidator(words)]
"""Channels as words with commas between."""

Offered = Annotated[frozenset[Channel] | None, NoDecode, BeforeValidator(words)]
"""``FOGBELL_OFFERED_CHANNELS``, where a component can do without; None: not checked."""

S = TypeVar("S", bound="Settings")


class Group(BaseModel):
    """A group of settings."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class MongoSettings(Group):
    """Where the records are."""

    uri: SecretStr
    """``mongodb://...``; a replica set, since transactions and majority writes need one."""

    database: str = Field(default="fogbell", pattern=r"^[A-Za-z0-9_-]{1,60}$")
    """The database's name: one an installation."""


class RabbitSettings(Group):
    """Where workers are woken."""

    uri: SecretStr
    """``amqp://user:password@host:5672/vhost`` (``amqps://`` for TLS)."""

    prefix: str = Field(default="fogbell.", pattern=r"^[A-Za-z0-9._-]{0,60}$")
    """What names of queues and exchanges start with: one an installation."""

    max_length: int = Field(default=1_000_000, ge=1)
    """Messages a queue; what does not fit is published by the sweep later."""


class ProtocolSettings(Group):
    """The times of the protocol; every component of an installation should agree on them."""

    lease_seconds: Seconds = 60
    """For how long a claim holds. Must exceed the longest send timeout by a margin."""

    lease_margin_seconds: Seconds = 2
    """What is kept between the last possible end of a send and the lease's: time to record."""

    grace_seconds: Seconds = 30
    """How long after its creation or release a delivery that nobody claimed is released again."""

    grace_cap_seconds: Seconds = 3600
    """The grace doubles at each release, up to this."""

    expiry_hold_seconds: Seconds = 15
    """No lease expires for so long after an election or a gap in sweeping of the same length."""

    lost_leases_limit: int = Field(default=3, ge=1)
    """A delivery that loses so many leases while it is tried alone is dead: it ends workers."""

    expansion_failures: int = Field(default=5, ge=1)
    """An expansion that a defect ends so often in a row, without progress, is given up."""

    record_interval_seconds: float = Field(default=0.05, ge=0, le=0.1)
    """For how long outcomes of the bulk lane gather before they are written; a batch that is
    complete waits no longer."""

    settle_seconds: Seconds = 5
    """How long after its expansion a notification is first looked at, to freeze its totals."""

    settle_cap_seconds: Seconds = 60
    """The pause between two such looks doubles, up to this."""


class RetrySettings(Group):
    """How often and how long a delivery is tried; `fogbell.policy.RetryPolicy` says how."""

    attempts: int = Field(default=8, ge=1, le=100)
    """Tries that end with an answer; then the delivery is dead."""

    max_age_seconds: Seconds = 72 * 3600
    """A delivery older than this is not tried again: dead."""

    base_seconds: Seconds = 10
    """The longest wait after the first failure; the real one is drawn from 0 up to it."""

    factor: float = Field(default=3, ge=1, le=100)
    """By what that bound grows with each failure."""

    cap_seconds: Seconds = 6 * 3600
    """What the bound grows up to."""

    def policy(self) -> RetryPolicy:
        """The policy that these settings describe."""
        return RetryPolicy(
            attempts=self.attempts,
            max_age=self.max_age_seconds,
            base=self.base_seconds,
            factor=self.factor,
            cap=self.cap_seconds,
        )


class RetentionSettings(Group):
    """How many days what is settled is kept."""

    deliveries_days: float = Field(default=30, gt=0)
    notifications_days: float = Field(default=90, gt=0)
    """Also the window in which an Idempotency-Key is remembered."""
    inbox_days: float = Field(default=90, gt=0)

    def retention(self) -> Retention:
        """The retention that these settings describe."""
        return Retention(
            deliveries=timedelta(days=self.deliveries_days),
            notifications=timedelta(days=self.notifications_days),
            inbox=timedelta(days=self.inbox_days),
        )


class MetricsSettings(Group):
    """Where Prometheus scrapes this process."""

    host: str = "0.0.0.0"  # noqa: S104 - it is scraped from outside the pod
    """The address to listen on."""

    port: int = Field(default=9090, ge=0, le=65535)
    """0 takes any free port."""


class LogSettings(Group):
    """What is logged, to standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least urgent line that is written."""

    format: Literal["json", "console"] = "json"
    """One JSON object a line for machines, or text for a person at a terminal."""


class Settings(BaseSettings):
    """What every component is told; each adds its own groups in its ``settings.py``."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter=DELIMITER,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    makes_spans: ClassVar[bool] = True
    """Whether the component has spans; else the variables for traces say nothing to it."""

    mongodb: MongoSettings
    rabbitmq: RabbitSettings
    protocol: ProtocolSettings = ProtocolSettings()
    retry: RetrySettings = RetrySettings()
    retention: RetentionSettings = RetentionSettings()
    metrics: MetricsSettings = MetricsSettings()
    log: LogSettings = LogSettings()

    @model_validator(mode="after")
    def _traces_can_be_exported(self) -> Self:
        """Refuse what OpenTelemetry's own variables ask for and is not offered."""
        if self.makes_spans:
            exporting.wanted(os.environ)
        return self

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Take ``FOGBELL_MONGODB_URI`` where the group names no address itself."""
        merged = dict(values)
        for group in ("mongodb", "rabbitmq"):
            short = os.environ.get(f"{PREFIX}{group.upper()}_URI")
            given = merged.get(group) or {}
            if short and isinstance(given, dict):
                merged[group] = {"uri": short, **given}
            elif isinstance(given, dict):
                merged[group] = given
        return merged


class JobSettings(Settings):
    """What every Job is told besides."""

    termination_log: Path = Path("/dev/termination-log")
    """Where its summary goes: the container's ``terminationMessagePath``."""


def load(kind: type[S], *, job: bool = False) -> S:
    """Read ``kind`` from the environment, or say what is wrong and exit 2 (a Job: 42).

    Variables that look like a slip are told in a warning; all goes to standard error. A Job's
    summary says as well what is wrong.
    """
    for name, meant in slips(kind, os.environ).items():
        _say(f"{name} is no setting of this component. Did you mean {meant}?")
    try:
        return kind()
    except ValidationError as error:
        wrong = [describe(problem) for problem in error.errors(include_url=False)]
    except SettingsError as error:
        wrong = [unreadable(error)]
    for sentence in wrong:
        _say(sentence)
    if job:
        _leave(wrong)
    sys.exit(JOB_EXIT if job else SERVICE_EXIT)


def _leave(wrong: list[str]) -> None:
    default: Path = JobSettings.model_fields["termination_log"].default
    path = Path(os.environ.get(f"{PREFIX}TERMINATION_LOG", default))
    fields = {"outcome": "failed", "reason": "WrongSettings", "message": " ".join(wrong)}
    leave_summary(path, fields)


def _say(sentence: str) -> None:
    print(f"fogbell: {sentence}", file=sys.stderr)  # noqa: T201 - logging is not set up yet

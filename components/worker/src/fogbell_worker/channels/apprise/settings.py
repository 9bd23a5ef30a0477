"""Which services are served, and how long one of them may take."""

import importlib.util
import json
from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import NoDecode

from fogbell_worker.channels.apprise.urls import NEVER
from fogbell_worker.providers import ProviderSettings

Scheme = Annotated[str, Field(pattern=r"^[a-z0-9]{1,32}$")]


class AppriseSettings(ProviderSettings):
    """Settings of the apprise channel, ``FOGBELL_APPRISE__<NAME>``; times are in seconds.

    Apprise blocks, so each send has a thread of its own until it ends, however late that is.
    """

    schemes: Annotated[frozenset[Scheme], NoDecode] = Field(min_length=1, max_length=300)
    """``FOGBELL_APPRISE__SCHEMES=tgram,slack,discord``: the services that addresses may name. There
    is no default: some of Apprise's schemes reach any host that an address names."""

    send_timeout: float = Field(default=20.0, gt=0, le=300)
    """One attempt, from waiting for a thread to the answer."""

    connect_timeout: float = Field(default=5.0, gt=0, le=300)
    """One connection, TLS included."""

    read_timeout: float = Field(default=10.0, gt=0, le=300)
    """How long a service may be silent once it has been asked."""

    threads: int = Field(default=20, ge=1, le=500)
    """Sends at once, for each lane of the process; what hangs keeps its thread until it ends."""

    name: str = Field(default="apprise", pattern=r"^[a-z][a-z0-9_-]{0,31}$")
    """What the provider is called in attempts and metrics."""

    @field_validator("schemes", mode="before")
    @classmethod
    def _words(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        if value.lstrip().startswith("["):
            return json.loads(value)
        return [word.strip().removesuffix("://").lower() for word in value.split(",")]

    @field_validator("schemes")
    @classmethod
    def _served(cls, value: frozenset[str]) -> frozenset[str]:
        if importlib.util.find_spec("apprise") is None:
            raise ValueError("the package apprise is missing: install fogbell-worker[apprise]")
        # Only now: whoever does not configure the channel does not pay for the import.
        from fogbell_worker.channels.apprise import library

        if never := sorted(value & NEVER):
            raise ValueError(f"{never[0]!r} is never served: it acts on the worker itself")
        if unknown := sorted(value - library.schemes()):
            raise ValueError(f"Apprise knows no scheme {unknown[0]!r}, or lacks what that needs")
        return value

    @model_validator(mode="after")
    def _in_time(self) -> Self:
        if self.connect_timeout + self.read_timeout > self.send_timeout:
            raise ValueError("expected connect_timeout and read_timeout within send_timeout")
        return self

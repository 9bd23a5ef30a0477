"""Which providers each channel has, in order, as the environment says.

``FOGBELL_PROVIDERS__<CHANNEL>`` lists names; each name has a group ``FOGBELL_PROVIDER__<NAME>__*``
that is read as any other group of settings, into the settings of its kind.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    Field,
    ValidationError,
    create_model,
    field_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from fogbell.model.status import Channel
from fogbell.settings import Group, words
from fogbell.settings_report import DELIMITER, PREFIX, describe
from fogbell_worker.providers.interface import NAME, ProviderKind, ProviderSettings
from fogbell_worker.providers.kinds import load_kind

_LIST, _GROUP = f"{PREFIX}PROVIDERS{DELIMITER}", f"{PREFIX}PROVIDER{DELIMITER}"
Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(words)]


@dataclass(frozen=True, slots=True)
class Provided:
    """One configured provider: its name, the name of its kind, the kind, and its settings."""

    name: str
    kind_name: str
    kind: ProviderKind[Any]
    settings: ProviderSettings


class ProviderLists(Group):
    """``FOGBELL_PROVIDERS__SMS=gateway-a,gateway-b``: the providers of each channel, in order.

    None: the one that the channel's own group describes (``FOGBELL_SMS__*``).
    """

    email: Names = ()
    sms: Names = ()
    push: Names = ()
    webhook: Names = ()
    apprise: Names = ()

    @field_validator("*")
    @classmethod
    def _names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if any(not re.fullmatch(NAME, name) for name in value):
            raise ValueError(f"expected names of the form {NAME}, separated by commas")
        if len(set(value)) != len(value):
            raise ValueError("expected each name once")
        return value

    def of(self, channel: Channel) -> tuple[str, ...]:
        """The names listed for ``channel``."""
        listed: tuple[str, ...] = getattr(self, channel.value, ())
        return listed

    @property
    def listed(self) -> dict[str, Channel]:
        """Every name with its channel. Raises ValueError where two share one group."""
        found: dict[str, Channel] = {}
        groups: dict[str, str] = {}
        for field in type(self).model_fields:
            for name in self.of(Channel(field)):
                taken = groups.setdefault(group_of(name), name)
                if taken != name or name in found:
                    group = f"{_GROUP}{group_of(name).upper()}"
                    raise ValueError(
                        f"{_LIST}{field.upper()} lists '{name}', but {group} is already the group"
                        f" of '{taken}': name each provider once"
                    )
                found[name] = Channel(field)
        return found


class _Kind(BaseModel):
    kind: str


class _Environment(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter=DELIMITER,
        extra="ignore",
        hide_input_in_errors=True,
    )


def group_of(name: str) -> str:
    """What a provider's group is called: environment variables have no hyphens."""
    return name.replace("-", "_")


def read_providers(lists: ProviderLists, given: Iterable[str]) -> dict[str, Provided]:
    """Every listed provider by its name. ``given`` are the groups that the environment has.

    Raises ValueError with a sentence for each thing that is wrong.
    """
    listed = lists.listed
    known, described = {group_of(name) for name in listed}, set(given)
    for name, channel in listed.items():
        if group_of(name) not in described:
            raise ValueError(
                f"{_LIST}{channel.upper()} lists '{name}', but"
                f" {_GROUP}{group_of(name).upper()}{DELIMITER}KIND is not set"
            )
    for group in sorted(described - known):
        raise ValueError(
            f"{_GROUP}{group.upper()} describes a provider that no channel lists: add"
            f" '{group}' to {_LIST}<CHANNEL>, or take the group away"
        )
    kinds = {name: _kind(name, channel) for name, channel in listed.items()}
    values = _values({name: kind.settings for name, (_, kind) in kinds.items()})
    return {
        name: Provided(name, kind_name, kind, values[name])
        for name, (kind_name, kind) in kinds.items()
    }


def _kind(name: str, channel: Channel) -> tuple[str, ProviderKind[Any]]:
    variable = f"{_GROUP}{group_of(name).upper()}{DELIMITER}KIND"
    kind_name = _read({name: _Kind})[name].kind
    try:
        kind = load_kind(kind_name)
    except ValueError as error:
        raise ValueError(f"{variable} is wrong: {error}") from error
    if kind.channel is not channel:
        raise ValueError(
            f"{variable} is wrong: '{kind_name}' serves {kind.channel}, but {_LIST}"
            f"{channel.upper()} lists '{name}'"
        )
    return kind_name, kind


def _values(kinds: Mapping[str, type[ProviderSettings]]) -> dict[str, ProviderSettings]:
    whole = {
        # the kind has been read; here it only must not count as unknown
        name: create_model(settings.__name__, __base__=settings, kind=(str, Field(exclude=True)))
        for name, settings in kinds.items()
    }
    found: dict[str, ProviderSettings] = {}
    for name, value in _read(whole).items():
        if "name" in value.model_fields_set:
            variable = f"{_GROUP}{group_of(name).upper()}{DELIMITER}NAME"
            raise ValueError(f"{variable} is no setting here: the provider is called '{name}'")
        found[name] = value
    return found


M = Any


def _read(models: Mapping[str, type[M]]) -> dict[str, M]:
    """One group of the environment for each name, read as its model. Raises ValueError."""
    fields: Mapping[str, Any] = {group_of(name): (model, ...) for name, model in models.items()}
    groups = create_model("Groups", **fields)
    reader = create_model("Reader", __base__=_Environment, provider=(groups, ...))
    if not models:
        return {}
    try:
        read = reader()
    except ValidationError as error:
        raise ValueError(" ".join(_sentences(error.errors(include_url=False)))) from None
    provider = read.provider  # type: ignore[attr-defined]
    return {name: getattr(provider, group_of(name)) for name in models}


def _sentences(problems: Sequence[Any]) -> list[str]:
    return [describe(problem) for problem in problems]

"""A person or endpoint in the directory."""

import functools
import re
import zoneinfo
from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue

from fogbell.model.address import RECIPIENT_ID, Addresses, RecipientId
from fogbell.model.status import Channel

_LOCALE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3}")


def check_locale(value: str) -> str:
    """A BCP 47 tag such as ``de`` or ``de-AT``. Raises ValueError."""
    if not _LOCALE.fullmatch(value):
        raise ValueError("expected a locale such as de or de-AT")
    return value


@functools.cache
def _time_zones() -> frozenset[str]:
    """The database's names: listing them walks some 600 files, which an import cannot afford."""
    return frozenset(zoneinfo.available_timezones())


def check_time_zone(value: str) -> str:
    """A name of the IANA time zone database. Raises ValueError."""
    if value not in _time_zones():
        raise ValueError("expected a time zone of the IANA database, such as Europe/Amsterdam")
    return value


Locale = Annotated[str, AfterValidator(check_locale)]
TimeZone = Annotated[str, AfterValidator(check_time_zone)]
Group = Annotated[str, Field(pattern=RECIPIENT_ID)]
AttributeName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")]


class Recipient(BaseModel):
    """One document of ``recipients``; ``id`` is chosen by the user and is the ``_id``.

    ``attributes`` feed templates as ``recipient.attributes.*``; their values are JSON.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: RecipientId
    addresses: Addresses = Addresses()
    locale: Locale | None = None
    time_zone: TimeZone | None = None
    groups: list[Group] = Field(default_factory=list, max_length=200)
    attributes: dict[AttributeName, JsonValue] = Field(default_factory=dict, max_length=200)

    def template_view(self) -> dict[str, Any]:
        """What templates may read as ``recipient``: never addresses or secrets."""
        return {
            "id": self.id,
            "locale": self.locale,
            "time_zone": self.time_zone,
            "groups": self.groups,
            "attributes": self.attributes,
        }


@dataclass(frozen=True, slots=True)
class Reach:
    """Recipients by their ids, and for each channel who of them has no address there."""

    ids: list[str]
    without: Mapping[Channel, Set[str]]

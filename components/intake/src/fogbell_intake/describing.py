"""What a route says of itself in the interface's document, beyond its path and docstring."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, TypeAlias

from pydantic import BaseModel

from fogbell.model.address import RECIPIENT_ID
from fogbell_intake.limits import DEFAULT_PAGE, MAX_PAGE

Schema: TypeAlias = dict[str, object]
"""A JSON Schema (2020-12), as OpenAPI 3.1 takes it."""

Model: TypeAlias = type[BaseModel] | None


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of the path, the query or the head. Those of the path are required."""

    name: str
    schema: Schema
    description: str = ""
    place: Literal["path", "query", "header"] = "query"


@dataclass(frozen=True, slots=True)
class Text:
    """A body or answer that is not JSON: its media type, and what stands in it."""

    media_type: str
    description: str


@dataclass(frozen=True, slots=True)
class Body:
    """What a request carries: a ``model``, a ``schema`` of one's own, or `Text` of several kinds.

    ``optional`` where the body may be left out altogether.
    """

    model: Model = None
    schema: Schema | None = None
    texts: tuple[Text, ...] = ()
    media_types: tuple[str, ...] = ("application/json",)
    optional: bool = False


@dataclass(frozen=True, slots=True)
class About:
    """``answers``: what each status but a problem's carries; None for nothing.

    ``problems``: statuses beyond those that follow from the scope, the body and the parameters.
    """

    answers: Mapping[int, Model | Text] = field(default_factory=dict)
    body: Body | None = None
    parameters: tuple[Parameter, ...] = ()
    problems: tuple[int, ...] = ()


def uuid_in_path(what: str) -> Parameter:
    """The ``{id}`` of something that Fogbell named."""
    return Parameter("id", {"type": "string", "format": "uuid"}, f"The {what}'s id.", "path")


def one_of(name: str, kind: type[StrEnum], description: str) -> Parameter:
    """A parameter of the query that takes one word of a closed set."""
    return Parameter(name, {"enum": [member.value for member in kind]}, description)


RECIPIENT = Parameter(
    "id", {"type": "string", "pattern": RECIPIENT_ID}, "The recipient's id.", "path"
)
PAGE = (
    Parameter(
        "limit",
        {"type": "integer", "minimum": 1, "maximum": MAX_PAGE, "default": DEFAULT_PAGE},
        "Items in a page.",
    ),
    Parameter("after", {"type": "string"}, "An answer's 'next', as it stands."),
)

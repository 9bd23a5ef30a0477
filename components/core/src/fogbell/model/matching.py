"""``match``: which recipients an audience means, by their attributes. Pure.

``{"country": "NL", "plan": {"in": ["pro", "team"]}, "since": {"gte": "2026-01-01"}}``: all must
hold. A bare value means ``eq``. Comparisons hold only between values of one kind (numbers with
numbers, strings with strings); ``eq`` and ``in`` hold for an array that has the value; ``ne``
holds for recipients who lack the attribute, and ``eq`` null likewise.
"""

from typing import Annotated, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    TypeAdapter,
    model_validator,
)

from fogbell.model.recipient import AttributeName

OPERATORS = ("eq", "ne", "in", "gt", "gte", "lt", "lte", "exists")

Text = Annotated[StrictStr, Field(max_length=1_000)]
Scalar = Text | StrictBool | StrictInt | StrictFloat | None
Ordered = Text | StrictInt | StrictFloat


class Condition(BaseModel):
    """What one attribute must satisfy; several operators must all hold."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    eq: Scalar = None
    ne: Scalar = None
    in_: list[Scalar] = Field(default_factory=list, alias="in", min_length=1, max_length=200)
    gt: Ordered = 0
    gte: Ordered = 0
    lt: Ordered = 0
    lte: Ordered = 0
    exists: StrictBool = True

    @model_validator(mode="after")
    def _some_operator(self) -> Self:
        if not self.model_fields_set:
            raise ValueError(f"expected an operator: {', '.join(OPERATORS)}")
        return self


Match = Annotated[dict[AttributeName, Scalar | Condition], Field(max_length=20)]
"""The type of ``match`` in a body."""

_MATCH: TypeAdapter[dict[str, Scalar | Condition]] = TypeAdapter(Match)


def conditions(match: object) -> dict[str, dict[str, object]]:
    """``match`` with every operator spelt out: ``{"country": {"eq": "NL"}}``.

    Raises pydantic's ValidationError (a ValueError) for anything that `Match` does not take.
    """
    return {name: _operators(value) for name, value in _MATCH.validate_python(match).items()}


def _operators(value: Scalar | Condition) -> dict[str, object]:
    if not isinstance(value, Condition):
        return {"eq": value}
    return value.model_dump(by_alias=True, exclude_unset=True)

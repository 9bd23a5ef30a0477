"""Where an answer leads: OpenAPI's links, from the route table alone. Pure.

Who has made or listed something may go on with every route about it: the answer to ``POST
/v1/notifications`` has the id that ``GET /v1/notifications/{id}`` takes. A route that is added is
linked by its path.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, get_args

from pydantic import BaseModel

from fogbell_intake.describing import Model, Text
from fogbell_intake.routing import Route

_PARAMETER: Final = re.compile(r"\{(\w+)(?::path)?\}")

Places = Mapping[str, str]
"""Where each parameter of a path is found, as one of OpenAPI's runtime expressions."""


def links(
    route: Route, answer: Model | Text, table: Iterable[Route]
) -> Iterator[tuple[Route, Places]]:
    """The routes of ``table`` that ``answer``, one of ``route``'s, leads to."""
    if answer is None or isinstance(answer, Text):
        return
    start, places = _about(route, answer)
    for other in table:
        wanted = _PARAMETER.findall(other.path)
        if other is not route and other.path.startswith(start) and places.keys() >= set(wanted):
            yield other, {name: places[name] for name in wanted}


def _about(route: Route, answer: type[BaseModel]) -> tuple[str, Places]:
    """How the paths about a thing begin, and where its names are found."""
    listed = answer.model_fields.get("items")
    if listed is not None:
        (item,) = get_args(listed.annotation)
        kind = route.path.rpartition("/")[2]
        return f"/v1/{kind}/{{", _fields(item, "/items/0")
    named = {name: f"$request.path.{name}" for name in _PARAMETER.findall(route.path)}
    if route.method == "PUT":
        return route.path, _fields(answer) | named
    if route.method == "POST" and not named:
        return f"{route.path}/{{", _fields(answer)
    return route.path, {}


def _fields(model: type[BaseModel], within: str = "") -> dict[str, str]:
    return {name: f"$response.body#{within}/{name}" for name in model.model_fields}

"""The interface's document: OpenAPI 3.1, from the route table and the pydantic models. Pure.

Written down in docs/openapi.json: ``python -m fogbell_intake.openapi > docs/openapi.json``.
"""

import inspect
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from fogbell import __version__
from fogbell_intake.answers import ProblemAnswer
from fogbell_intake.describing import Body, Model, Parameter, Schema, Text
from fogbell_intake.linking import Places, links
from fogbell_intake.problem_types import TYPES
from fogbell_intake.problems import MEDIA_TYPE
from fogbell_intake.routing import Route

JSON: Final = "application/json"
_REFERENCE = "#/components/schemas/{model}"
_BODY_PROBLEMS = (400, 408, 413, 415, 422)
_SECURITY: Final[dict[str, list[Schema]]] = {
    "api_key": [{"apiKey": []}],
    "recipient_token": [{"recipientToken": []}],
    "none": [],
}
_SCHEMES: Final[Schema] = {
    "apiKey": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "fbk_...",
        "description": "An API key with the scope that the route names.",
    },
    "recipientToken": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "fbi_...",
        "description": "A recipient's token, from POST /v1/recipients/{id}/tokens.",
    },
    "recipientTokenInQuery": {
        "type": "apiKey",
        "in": "query",
        "name": "token",
        "description": "The same token, for EventSource, which sends no headers.",
    },
}


def document(table: Iterable[Route]) -> Schema:
    """The whole document. Raises ValueError for a route that does not say what it answers."""
    routes = tuple(table)
    keys, definitions = models_json_schema(
        [(model, "validation") for model in _models(routes)], ref_template=_REFERENCE
    )
    references: dict[object, Schema] = {model: schema for (model, _), schema in keys.items()}
    paths: dict[str, Schema] = {}
    for route in routes:
        path = route.path.replace(":path}", "}")
        paths.setdefault(path, {})[route.method.lower()] = _Operation(
            route, references, routes
        ).document()
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Fogbell",
            "version": __version__,
            "description": "Notifications, once accepted never lost. Answers may get new fields "
            "and new words: ignore what you do not know.",
        },
        "paths": paths,
        "components": {
            "schemas": definitions["$defs"],
            "responses": {_problem_name(status): _problem(status) for status in _statuses()},
            "securitySchemes": _SCHEMES,
        },
    }


def text(table: Iterable[Route]) -> str:
    """The document as it is served and committed."""
    return json.dumps(document(table), indent=1, ensure_ascii=False) + "\n"


class _Operation:
    """One route's part of the document."""

    def __init__(
        self, route: Route, references: Mapping[object, Schema], table: tuple[Route, ...]
    ) -> None:
        self._route = route
        self._references = references
        self._table = table

    def document(self) -> Schema:
        route, about = self._route, self._route.about
        words = _words(route)
        if not about.answers or not words:
            raise ValueError(f"{route.method} {route.path} does not say what it answers")
        scope = f"\n\nNeeds the scope `{route.scope}`." if route.scope else ""
        shown: Schema = {
            "operationId": _operation_id(route),
            "tags": [_tag(route)],
            "summary": words.partition("\n\n")[0].replace("\n", " ").replace("`", ""),
            "description": words + scope,
            "security": self._security(),
            "parameters": [_parameter(parameter) for parameter in about.parameters],
            "responses": dict(sorted(self._responses())),
        }
        if about.body is not None:
            shown["requestBody"] = self._request_body(about.body)
        return shown

    def _security(self) -> list[Schema]:
        usual = _SECURITY[self._route.authentication]
        streamed = any(isinstance(answer, Text) for answer in self._route.about.answers.values())
        return [*usual, {"recipientTokenInQuery": []}] if usual and streamed else usual

    def _request_body(self, body: Body) -> Schema:
        schema = body.schema if body.model is None else self._references[body.model]
        content: Schema = {kind: {"schema": schema} for kind in body.media_types if schema}
        for part in body.texts:
            described = {"type": "string", "description": part.description}
            content[part.media_type] = {"schema": described}
        return {"required": not body.optional, "content": content}

    def _responses(self) -> Iterator[tuple[str, Schema]]:
        for status, answer in self._route.about.answers.items():
            onward = links(self._route, answer, self._table)
            leads = {_operation_id(to): _link(to, places) for to, places in onward}
            yield str(status), self._answer(answer) | ({"links": leads} if leads else {})
        for status in _problems(self._route):
            yield str(status), {"$ref": f"#/components/responses/{_problem_name(status)}"}

    def _answer(self, answer: Model | Text) -> Schema:
        if answer is None:
            return {"description": "Done; no body."}
        if isinstance(answer, Text):
            content: Schema = {answer.media_type: {"schema": {"type": "string"}}}
            return {"description": answer.description, "content": content}
        description = _plain(inspect.getdoc(answer) or "").replace("\n", " ")
        content = {JSON: {"schema": self._references[answer]}}
        return {"description": description, "content": content}


def _models(routes: Iterable[Route]) -> list[type[BaseModel]]:
    """Every model that is named, once, in the order of the table."""
    found: list[type[BaseModel]] = [ProblemAnswer]
    for route in routes:
        about = route.about
        named = [*about.answers.values(), about.body.model if about.body else None]
        found += [model for model in named if isinstance(model, type)]
    return list(dict.fromkeys(found))


def _problems(route: Route) -> list[int]:
    """The statuses of problems that a route may answer with."""
    about = route.about
    found = {500, *about.problems}
    if route.authentication != "none":
        found |= {401, 503}
    if route.scope is not None:
        found |= {403, 429}
    if about.body is not None:
        found.update(_BODY_PROBLEMS)
    if any(parameter.place != "path" for parameter in about.parameters):
        found.add(422)
    return sorted(found - about.answers.keys())


def _parameter(parameter: Parameter) -> Schema:
    return {
        "name": parameter.name,
        "in": parameter.place,
        "required": parameter.place == "path",
        "description": parameter.description,
        "schema": parameter.schema,
    }


def _link(to: Route, places: Places) -> Schema:
    return {"operationId": _operation_id(to), "parameters": dict(places)}


def _statuses() -> list[int]:
    return sorted({kind.status for kind in TYPES.values()})


def _problem_name(status: int) -> str:
    return f"Problem{status}"


def _problem(status: int) -> Schema:
    kinds = [kind for kind in TYPES.values() if kind.status == status]
    listed = "\n".join(f"- `{kind.code}`: {kind.title}." for kind in kinds)
    reference = _REFERENCE.format(model=ProblemAnswer.__name__)
    return {"description": listed, "content": {MEDIA_TYPE: {"schema": {"$ref": reference}}}}


def _words(route: Route) -> str:
    """The endpoint's docstring, without the route that some start with."""
    return re.sub(r"^`[A-Z]+ /[^`]*`: ", "", _plain(inspect.getdoc(route.endpoint) or ""))


def _plain(words: str) -> str:
    """reStructuredText's marks as Markdown's, which OpenAPI takes."""
    return words.replace("``", "`")


def _segments(route: Route) -> list[str]:
    return re.findall(r"[a-z][a-z_-]*", route.path.replace("/v1", "").replace(":path", ""))


def _tag(route: Route) -> str:
    return _segments(route)[0] if route.path.startswith("/v1/") else "intake"


def _operation_id(route: Route) -> str:
    return "_".join([route.method.lower(), *_segments(route)]).replace("-", "_")


def main() -> None:
    """Write the document of the whole table to standard output."""
    # The table knows the endpoint that serves this document.
    from fogbell_intake.routes import TABLE

    sys.stdout.write(text(TABLE))


if __name__ == "__main__":
    main()

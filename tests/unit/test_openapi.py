"""The interface's document is what the route table says, valid, and the one that is committed."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from starlette.requests import Request
from starlette.responses import Response

from fogbell.model.api_key import Scope
from fogbell_intake import openapi
from fogbell_intake.describing import About
from fogbell_intake.routes import TABLE
from fogbell_intake.routing import Route

COMMITTED = Path(__file__).parents[2] / "docs" / "openapi.json"
METHODS = {"get", "put", "post", "delete", "patch"}

Document = dict[str, Any]


@pytest.fixture(scope="module")
def document() -> Document:
    return openapi.document(TABLE)


def operations(document: Document) -> dict[tuple[str, str], Document]:
    return {
        (method.upper(), path): operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def test_the_committed_document_is_that_of_the_route_table() -> None:
    regenerate = "python -m fogbell_intake.openapi > docs/openapi.json"
    assert COMMITTED.read_text() == openapi.text(TABLE), regenerate


def test_the_document_is_valid_openapi(document: Document) -> None:
    OpenAPIV31SpecValidator(document).validate()


def test_every_route_stands_in_it_with_words_and_answers(document: Document) -> None:
    listed = operations(document)
    assert listed.keys() == {(r.method, r.path.replace(":path}", "}")) for r in TABLE}
    for place, operation in listed.items():
        assert operation["summary"], place
        assert [status for status in operation["responses"] if status < "400"], place


def test_operations_have_ids_of_their_own(document: Document) -> None:
    ids = [operation["operationId"] for operation in operations(document).values()]
    assert sorted(set(ids)) == sorted(ids)


def test_every_parameter_of_a_path_is_described(document: Document) -> None:
    for (_, path), operation in operations(document).items():
        described = {p["name"] for p in operation["parameters"] if p["in"] == "path"}
        assert described == {part[1:-1] for part in path.split("/") if part.startswith("{")}


def test_routes_that_ask_for_somebody_say_how_they_refuse(document: Document) -> None:
    for route in TABLE:
        operation = operations(document)[route.method, route.path.replace(":path}", "}")]
        assert bool(operation["security"]) == (route.authentication != "none")
        refusals = {"403", "429"} if route.scope else set()
        if operation["security"]:
            refusals.add("401")
        assert refusals <= operation["responses"].keys(), route.path


def test_problems_leave_as_problem_json(document: Document) -> None:
    for answer in document["components"]["responses"].values():
        assert list(answer["content"]) == ["application/problem+json"]


def test_streams_and_imports_are_not_said_to_be_json(document: Document) -> None:
    listed = operations(document)
    stream = listed["GET", "/v1/inbox/stream"]
    assert list(stream["responses"]["200"]["content"]) == ["text/event-stream"]
    assert {"recipientTokenInQuery": []} in stream["security"]
    posted = listed["POST", "/v1/recipients/import"]["requestBody"]["content"]
    assert list(posted) == ["application/x-ndjson", "text/csv"]


def test_what_an_answer_leads_to_is_there_and_finds_all_that_it_asks_for(
    document: Document,
) -> None:
    by_id = {operation["operationId"]: place for place, operation in operations(document).items()}
    linked = set()
    for operation in operations(document).values():
        for answer in operation["responses"].values():
            for link in answer.get("links", {}).values():
                _, path = by_id[link["operationId"]]
                assert set(link["parameters"]) == set(re.findall(r"\{(\w+)\}", path))
                linked.add(link["operationId"])
    asking = {i for i, (_, path) in by_id.items() if path.startswith("/v1/") and "{" in path}
    # Only who knows a channel and an address can ask for its suppression at first.
    assert asking - linked == {"put_suppressions_channel_address"}


def test_secrets_are_write_only(document: Document) -> None:
    secrets = document["components"]["schemas"]["WebhookAddress"]["properties"]["secrets"]
    assert secrets["items"]["writeOnly"] is True


def test_a_route_that_does_not_say_what_it_answers_is_refused() -> None:
    async def endpoint(_: Request) -> Response:
        """Words."""
        return Response()

    with pytest.raises(ValueError, match="GET /x does not say"):
        openapi.document([Route("GET", "/x", endpoint, Scope.READ, about=About())])


def test_the_document_is_json_that_any_reader_takes(document: Document) -> None:
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert {m for methods in document["paths"].values() for m in methods} <= METHODS

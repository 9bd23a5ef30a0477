"""Errors as problem details."""

from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fogbell.model.address import WebhookAddress
from fogbell.model.content import Content
from fogbell.model.matching import Condition, Match
from fogbell.model.recipient import Recipient
from fogbell_intake.limits import MAX_ERRORS
from fogbell_intake.problem_types import TYPES
from fogbell_intake.problems import Problem, field_errors, pointer, validate


def pointers(model: type[BaseModel], value: Any) -> list[str | None]:
    with pytest.raises(ValidationError) as raised:
        model.model_validate(value)
    return [error.pointer for error in field_errors(raised.value, value)]


class Audience(BaseModel):
    model_config = ConfigDict(extra="forbid")

    recipients: list[str | Recipient] = Field(default_factory=list)
    match: Match = Field(default_factory=dict)


def test_codes_are_their_keys_and_each_explains_itself() -> None:
    for code, kind in TYPES.items():
        assert code == kind.code
        assert kind.title
        assert len(kind.explanation) > 40
        assert 400 <= kind.status <= 599


def test_a_document_has_what_rfc_9457_and_the_interface_promise() -> None:
    problem = Problem(TYPES["not-found"], "There is no recipient 'bob'.")
    assert problem.document("r-1") == {
        "type": "/problems/not-found",
        "code": "not-found",
        "title": "There is nothing here",
        "status": 404,
        "detail": "There is no recipient 'bob'.",
        "request_id": "r-1",
    }


def test_pointers_escape_as_rfc_6901_says() -> None:
    assert pointer() == "#"
    assert pointer("a/b", 0, "c~d") == "#/a~1b/0/c~0d"


def test_a_missing_field_is_pointed_to_where_it_should_stand() -> None:
    assert pointers(Content, {"email": {"text": "x"}}) == ["#/email/subject"]


def test_an_unknown_field_is_pointed_to() -> None:
    assert pointers(Recipient, {"id": "ann", "grops": []}) == ["#/grops"]


def test_members_of_unions_do_not_appear_in_pointers() -> None:
    found = pointers(Audience, {"recipients": ["ann", {"id": "b", "locale": "?"}]})
    assert set(found) == {"#/recipients/1", "#/recipients/1/locale"}
    assert set(pointers(Audience, {"match": {"plan": {"like": "x"}}})) <= {
        "#/match/plan",
        "#/match/plan/like",
    }


def test_an_alias_is_what_pointers_use() -> None:
    value = {"email": {"subject": "s", "text": "t", "from": "a\nb"}}
    assert pointers(Content, value) == ["#/email/from"]


def test_a_body_that_is_no_object_is_pointed_to_as_a_whole() -> None:
    assert pointers(Recipient, 5) == ["#"]


@pytest.mark.parametrize(
    "value",
    [
        {"id": "ann", "addresses": {"email": "hunter2"}},
        {"id": "hunter2 hunter2"},
        {"id": "ann", "addresses": {"webhook": {"url": "hunter2", "secrets": ["hunter2"]}}},
        {"id": "ann", "addresses": {"webhook": "hunter2"}},
        {"id": "ann", "locale": "hunter2!"},
        {"id": "ann", "time_zone": "hunter2"},
        {"id": "ann", "groups": "hunter2"},
    ],
)
def test_errors_never_repeat_a_value(value: Any) -> None:
    with pytest.raises(Problem) as raised:
        validate(Recipient, value)
    assert "hunter2" not in str(raised.value.document("r"))
    assert raised.value.type.status == 422


def test_a_wrong_secret_is_not_repeated() -> None:
    with pytest.raises(Problem) as raised:
        validate(WebhookAddress, {"url": "https://example.org/", "secrets": [{"hunter2": 1}]})
    assert "hunter2" not in str(raised.value.document("r"))


def test_a_problem_lists_a_bounded_number_of_errors() -> None:
    with pytest.raises(Problem) as raised:
        validate(Recipient, {"id": "ann", **{f"x{n}": 1 for n in range(1000)}})
    assert len(raised.value.document("r")["errors"]) == MAX_ERRORS


def test_an_empty_condition_says_which_operators_there_are() -> None:
    with pytest.raises(Problem) as raised:
        validate(Condition, {})
    assert "gte" in raised.value.detail

"""Recipients, and what all records of the interface have in common."""

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from fogbell.model.address import Addresses
from fogbell.model.content import Content, EmailContent, Template
from fogbell.model.recipient import Recipient


@pytest.mark.parametrize(
    "fields",
    [
        {"locale": "german"},
        {"locale": "de_AT"},
        {"locale": "de\n"},
        {"time_zone": "Mars/Olympus"},
        {"time_zone": "../../etc/passwd"},
        {"groups": ["a b"]},
        {"attributes": {"a.b": 1}},
        {"attributes": {"$a": 1}},
        {"attributes": {"a\n": 1}},
        {"attributes": {"a" * 65: 1}},
        {"attributes": {f"a{n}": n for n in range(201)}},
        {"phone": "+31612345678"},
    ],
)
def test_a_recipient_with_anything_unheard_of_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Recipient.model_validate({"id": "ann", **fields})


@pytest.mark.parametrize("model", [Recipient, Content, Template, Addresses, EmailContent])
def test_every_record_of_the_interface_is_frozen_and_refuses_what_it_does_not_know(
    model: type[BaseModel],
) -> None:
    assert model.model_config["extra"] == "forbid"
    assert model.model_config["frozen"]

"""The relay's URL: what it says, and that it never shows."""

from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError

from fogbell_worker.channels.email.settings import EmailSettings, Security

SENDER = "Shop <shop@example.org>"


def settings(url: str, **more: Any) -> EmailSettings:
    return EmailSettings.model_validate({"url": url, "from_address": SENDER, **more})


@pytest.mark.parametrize(
    ("url", "more", "security", "port"),
    [
        ("smtp://relay", {}, Security.OPPORTUNISTIC, 25),
        ("smtp://relay:2525", {"starttls": "never"}, Security.PLAIN, 2525),
        ("smtp://relay", {"starttls": "required"}, Security.STARTTLS, 25),
        ("smtp+starttls://relay", {"starttls": "never"}, Security.STARTTLS, 587),
        ("smtps://relay/", {}, Security.IMPLICIT, 465),
    ],
)
def test_the_scheme_decides_how_connections_are_protected(
    url: str, more: dict[str, str], security: Security, port: int
) -> None:
    made = settings(url, **more)
    assert (made.security, made.relay.host, made.relay.port) == (security, "relay", port)


def test_user_and_password_are_decoded_and_never_shown() -> None:
    made = settings("smtps://ann%40x:Tr0ub%3Ador%2F@relay")
    assert (made.relay.username, made.relay.password) == ("ann@x", "Tr0ub:dor/")
    shown = f"{made!r} {made} {made.model_dump()} {made.model_dump_json()} {made.relay!r}"
    assert "Tr0ub" not in shown


@pytest.mark.parametrize(
    "url",
    [
        "http://u:secret@relay",
        "smtp://u:secret@",
        "smtp://u:secret@relay:99999",
        "smtp://u:secret@relay:x",
        "smtp://u:secret@relay/path",
        "smtp://:secret@relay",
        "smtp://u:secret@[::1",
        "u:secret@relay",
    ],
)
def test_a_wrong_url_is_refused_without_repeating_it(url: str) -> None:
    class Nesting(BaseModel):
        model_config = ConfigDict(hide_input_in_errors=True)
        email: EmailSettings

    with pytest.raises(ValidationError) as caught:
        settings(url)
    assert "secret" not in str(caught.value)
    with pytest.raises(ValidationError) as caught:
        Nesting.model_validate({"email": {"url": url, "from_address": SENDER}})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "more",
    [
        {"from_address": "nobody"},
        {"from_address": "a\nb <a@b.org>"},
        {"message_id_domain": "a b"},
        {"envelope_from": "nobody"},
        {"helo_name": "a\r\nb"},
        {"connections": 0},
        {"connect_timeout": 60},
        {"unknown": 1},
    ],
)
def test_a_setting_that_cannot_work_is_refused(more: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        settings("smtp://relay", **more)


def test_message_ids_are_made_in_the_senders_domain_unless_told() -> None:
    assert settings("smtp://relay").id_domain == "example.org"
    assert (
        settings("smtp://relay", message_id_domain="id.example.net").id_domain == "id.example.net"
    )

"""Content and templates: what is taken, what is refused, and which locale speaks."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from fogbell.model.content import (
    ALLOWED_HEADERS,
    MAX_SOURCE,
    Content,
    EmailContent,
    Template,
    locale_chain,
)
from fogbell.model.status import Channel


def _email(**fields: Any) -> EmailContent:
    return EmailContent.model_validate({"subject": "Hi", "text": "T", **fields})


@pytest.mark.parametrize("break_", ["\r", "\n", "\r\n", "\r\nBcc: eve@example.org"])
@pytest.mark.parametrize("field", ["subject", "from", "reply_to", "header"])
def test_no_line_break_reaches_a_header(field: str, break_: str) -> None:
    value = f"ann@example.org{break_}"
    fields: dict[str, Any] = {field: value}
    if field == "header":
        fields = {"headers": {"List-Id": value}}
    with pytest.raises(ValidationError):
        _email(**fields)


@given(st.text(max_size=30))
@example("List-Id\r\nBcc")
@example("Bcc")
@example("List-Id ")
@example("Lıst-Id")
def test_only_headers_of_the_list_can_be_set(name: str) -> None:
    if name.lower() in ALLOWED_HEADERS:
        return
    with pytest.raises(ValidationError, match="cannot be set"):
        _email(headers={name: "x"})


@pytest.mark.parametrize("name", sorted(ALLOWED_HEADERS))
def test_a_header_of_the_list_is_taken_in_any_case(name: str) -> None:
    assert _email(headers={name.title(): "x"}).headers == {name.title(): "x"}


def test_the_headers_that_say_who_and_to_whom_are_never_on_the_list() -> None:
    ours = {"from", "to", "cc", "bcc", "sender", "subject", "date", "message-id", "reply-to"}
    ours |= {"mime-version", "content-type", "content-transfer-encoding", "return-path", "received"}
    ours |= {"dkim-signature"}
    assert not ours & ALLOWED_HEADERS


@pytest.mark.parametrize(
    "fields",
    [
        {"text": None},
        {"subject": ""},
        {"subject": "x" * 2_001},
        {"text": "x" * (MAX_SOURCE + 1)},
        {"html": 1},
        {"attachments": []},
        {"reply_to": "nobody"},
    ],
)
def test_an_email_without_a_body_or_with_anything_unknown_is_refused(
    fields: dict[str, Any],
) -> None:
    with pytest.raises(ValidationError):
        _email(**fields)


def _content(**parts: Any) -> Content:
    return Content.model_validate(parts)


def test_a_part_is_that_of_its_channel() -> None:
    content = _content(email={"subject": "Hi", "text": "T"}, inbox={"title": "Hi"})
    assert content.part(Channel.EMAIL) is content.email
    assert content.part(Channel.INBOX) is content.inbox
    assert content.part(Channel.SMS) is None


@given(st.lists(st.sampled_from(["de", "AT", "Latn", "x1"]), min_size=1, max_size=4))
def test_a_locale_falls_back_to_less_and_less_of_itself(parts: list[str]) -> None:
    locale = "-".join(parts)
    chain = locale_chain(locale, "en")
    assert chain == ["-".join(parts[:n]) for n in range(len(parts), 0, -1)] + ["en"]


def test_a_template_speaks_the_nearest_locale_that_has_the_channel() -> None:
    assert locale_chain(None, "en") == ["en"]
    assert locale_chain("en-GB", "en") == ["en-GB", "en"]

    def title(text: str) -> dict[str, Any]:
        return {"inbox": {"title": text}}

    sms = {"sms": {"text": "nur kurz"}}
    template = Template.model_validate(
        {"name": "t", "version": 1, "locales": {"en": title("en"), "de": title("de"), "de-AT": sms}}
    )

    def spoken(locale: str | None, channel: Channel = Channel.INBOX) -> Any:
        part = template.part(channel, locale)
        return part and part.model_dump().get("title")

    assert [spoken(x) for x in ("de-AT", "de-CH", "fr", None)] == ["de", "de", "en", "en"]
    assert template.part(Channel.SMS, "de-AT") is not None
    assert template.part(Channel.SMS, "en") is None


@pytest.mark.parametrize("name", ["", "A", "-a", "a b", "a\n", "a/b", "ä", "a" * 65])
def test_a_templates_name_is_of_small_letters(name: str) -> None:
    with pytest.raises(ValidationError):
        Template.model_validate(
            {"name": name, "version": 1, "locales": {"en": {"sms": {"text": "x"}}}}
        )

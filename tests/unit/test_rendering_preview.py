"""A preview runs where it can be ended."""

import asyncio

import pytest

from fogbell.model.content import AppriseContent, EmailContent, SmsContent, WebhookContent
from fogbell.model.status import Channel
from fogbell.rendering import (
    MissingVariableError,
    PreviewTimeoutError,
    RenderedApprise,
    RenderedEmail,
    RenderedWebhook,
    RenderingError,
    TemplateSyntaxError,
    preview_in_process,
)

EMAIL = EmailContent.model_validate(
    {"subject": "Hi {{ data.name }}", "html": "{{ data.name }}", "from": "Shop <a@b.c>"}
)


async def test_a_preview_in_a_process_gives_what_rendering_gives() -> None:
    email, webhook, apprise = await asyncio.gather(
        preview_in_process(EMAIL, Channel.EMAIL, {"data": {"name": "<Ann>"}}),
        preview_in_process(WebhookContent(type="t", data={"a": ["{{ data.b }}"]}), Channel.WEBHOOK,
                           {"data": {"b": "é"}}),
        preview_in_process(AppriseContent(title="{{ data.b }}", body="{{ data.b }}"),
                           Channel.APPRISE, {"data": {"b": "<é>"}}),
    )  # fmt: skip
    assert email == RenderedEmail("Hi <Ann>", None, "&lt;Ann&gt;", "Shop <a@b.c>")
    assert webhook == RenderedWebhook("t", {"a": ["é"]})
    assert apprise == RenderedApprise("<é>", "<é>")


async def test_a_preview_in_a_process_raises_what_a_preview_raises() -> None:
    with pytest.raises(MissingVariableError) as missing:
        await preview_in_process(EMAIL, Channel.EMAIL, {"data": {}})
    assert missing.value.missing == {"email/subject": ["data.name"], "email/html": ["data.name"]}
    with pytest.raises(TemplateSyntaxError) as syntax:
        await preview_in_process(SmsContent(text="a\n{{"), Channel.SMS, {})
    assert (syntax.value.path, syntax.value.line) == ("sms/text", 2)
    with pytest.raises(RenderingError, match="sms/text"):
        await preview_in_process(SmsContent(text="{{ 1 | divided_by: 0 }}"), Channel.SMS, {})


async def test_a_preview_whose_time_is_up_is_ended() -> None:
    with pytest.raises(PreviewTimeoutError, match="too long"):
        await preview_in_process(EMAIL, Channel.EMAIL, {"data": {}}, timeout_seconds=0.0)

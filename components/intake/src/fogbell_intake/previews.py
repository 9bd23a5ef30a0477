"""Rendering a template for somebody to look at: strict, in processes that can be killed."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from fogbell.model.address import RecipientId
from fogbell.model.content import Part, Template
from fogbell.model.recipient import AttributeName, Group, Locale, TimeZone
from fogbell.model.status import Channel
from fogbell.rendering import (
    MissingVariableError,
    RenderedPart,
    RenderingError,
    preview_in_process,
    template_context,
)
from fogbell.store import recipients
from fogbell.store.database import Database
from fogbell_intake import problem_types as types
from fogbell_intake.problems import FieldError, Problem, pointer

PREVIEW_SECONDS = 2.0
PREVIEWS_AT_ONCE = 4
"""Preview processes at a time in this process: each may use a core for `PREVIEW_SECONDS`."""

EXAMPLE_ID = "00000000-0000-7000-8000-000000000000"
"""What previews show as ``notification.id``."""


class PreviewRecipient(BaseModel):
    """Somebody made up: what templates may read of a recipient."""

    model_config = ConfigDict(extra="forbid")

    id: RecipientId = "preview"
    locale: Locale | None = None
    time_zone: TimeZone | None = None
    groups: list[Group] = Field(default_factory=list, max_length=200)
    attributes: dict[AttributeName, JsonValue] = Field(default_factory=dict, max_length=200)


class PreviewBody(BaseModel):
    """Body of ``POST /v1/templates/{name}/preview``; everything may be left out.

    ``recipient`` is an id of the directory, or somebody made up. Without ``data`` the template's
    sample data serves; without ``locale`` the recipient's; without ``channel`` all are rendered.
    """

    model_config = ConfigDict(extra="forbid")

    version: Annotated[int, Field(ge=1, lt=10**9, strict=True)] | None = None
    locale: Locale | None = None
    channel: Channel | None = None
    data: dict[str, JsonValue] | None = None
    recipient: RecipientId | PreviewRecipient | None = None


async def preview(
    db: Database, slots: asyncio.Semaphore, template: Template, body: PreviewBody
) -> dict[str, Any]:
    """``{"name", "version", "locale", "parts": {"email": {"subject": ..., ...}}}``.

    Raises a 422 `Problem`: unknown recipient, a channel that the template lacks, missing variables
    (each named), or a template that cannot be rendered.
    """
    person = await _person(db, body)
    locale = body.locale or person["locale"] or template.default_locale
    parts = _parts(template, body.channel, locale)
    data = template.sample_data if body.data is None else body.data
    context = template_context(person, data, EXAMPLE_ID)

    async def render(channel: Channel, part: Part) -> RenderedPart | RenderingError:
        async with slots:
            return await _render(part, channel, context)

    rendered = await asyncio.gather(*(render(channel, part) for channel, part in parts))
    _check(rendered)
    return {
        "name": template.name,
        "version": template.version,
        "locale": locale,
        "parts": {
            channel.value: _document(part)
            for (channel, _), part in zip(parts, rendered, strict=True)
            if not isinstance(part, RenderingError)
        },
    }


async def _person(db: Database, body: PreviewBody) -> dict[str, Any]:
    if not isinstance(body.recipient, str):
        return (body.recipient or PreviewRecipient()).model_dump()
    known = (await recipients.read_many(db, [body.recipient])).get(body.recipient)
    if known is None:
        detail = f"No recipient {body.recipient!r}. PUT /v1/recipients/{body.recipient} first."
        error = FieldError("there is no such recipient", "#/recipient")
        raise Problem(types.UNKNOWN_RECIPIENT, detail, [error])
    return known.template_view()


def _parts(template: Template, channel: Channel | None, locale: str) -> list[tuple[Channel, Part]]:
    wanted = list(Channel) if channel is None else [channel]
    found = [(c, part) for c in wanted if (part := template.part(c, locale)) is not None]
    if not found:
        detail = f"the template has no part for '{channel}'"
        raise Problem(
            types.MISSING_CHANNEL, f"#/channel: {detail}", [FieldError(detail, "#/channel")]
        )
    return found


async def _render(
    part: Part, channel: Channel, context: dict[str, object]
) -> RenderedPart | RenderingError:
    try:
        return await preview_in_process(part, channel, context, timeout_seconds=PREVIEW_SECONDS)
    except RenderingError as error:
        return error


def _check(rendered: Sequence[RenderedPart | RenderingError]) -> None:
    missing = [
        e for error in rendered if isinstance(error, MissingVariableError) for e in _missing(error)
    ]
    if missing:
        names = ", ".join(sorted({str(error.pointer) for error in missing}))
        raise Problem(types.MISSING_VARIABLE, f"Not in the preview's body: {names}.", missing)
    for error in rendered:
        if isinstance(error, RenderingError):
            raise Problem(types.TEMPLATE_FAILED, str(error), [FieldError(str(error), "#")])


def _missing(error: MissingVariableError) -> list[FieldError]:
    """At the place in the preview's body where the variable is looked for."""
    return [
        FieldError(f"{place} uses {name}", pointer(*name.split(".")))
        for place, names in error.missing.items()
        for name in names
    ]


def _document(part: RenderedPart) -> dict[str, Any]:
    """A rendered part under the names that content has."""
    return {name.rstrip("_"): value for name, value in asdict(part).items()}

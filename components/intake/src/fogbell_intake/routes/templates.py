"""``/v1/templates``: versions that never change, and what they look like when rendered."""

import asyncio
import re
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from fogbell.model.api_key import Scope
from fogbell.model.content import Content, Template
from fogbell.model.recipient import Locale
from fogbell.model.status import Channel
from fogbell.rendering import InvalidFieldError, TemplateSyntaxError, check_part
from fogbell.store import templates
from fogbell.store.templates import TemplateSummary
from fogbell.views import rfc3339
from fogbell_intake import problem_types as types
from fogbell_intake.answers import Page, PreviewAnswer, TemplateAnswer
from fogbell_intake.cursors import decode_cursor, encode_cursor
from fogbell_intake.describing import PAGE, About, Body, Parameter
from fogbell_intake.parsing import (
    json_object,
    page_limit,
    query,
)
from fogbell_intake.previews import PreviewBody, preview
from fogbell_intake.problems import (
    FieldError,
    Problem,
    invalid,
    invalid_parameter,
    not_found,
    pointer,
    validate,
)
from fogbell_intake.routing import Route, database

_LIST = "templates"
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_VERSION = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)


class TemplateBody(BaseModel):
    """Body of ``PUT /v1/templates/{name}``: a template without its name and version."""

    model_config = ConfigDict(extra="forbid")

    default_locale: Locale = "en"
    topic: str | None = Field(default=None, max_length=100)
    sample_data: dict[str, JsonValue] = Field(default_factory=dict)
    locales: dict[Locale, Content] = Field(min_length=1, max_length=200)


class ListedTemplate(BaseModel):
    """The latest version of a template, without its texts; ``created_at`` is that version's."""

    name: str
    version: int
    default_locale: str
    topic: str | None
    locales: list[str]
    created_at: datetime


async def put(request: Request) -> Response:
    """201 with a new version, or 200 with the latest if it says the same."""
    name = request.path_params["name"]
    if not _NAME.fullmatch(name):
        raise invalid_parameter("name", f"expected a name that matches ^{_NAME.pattern}$")
    body = validate(TemplateBody, await json_object(request))
    draft = Template(name=name, version=1, **{key: getattr(body, key) for key in _FIELDS})
    _check_default(draft)
    # A body of a megabyte takes a while to compile; other requests go on meanwhile.
    await asyncio.to_thread(_check_syntax, draft)
    template, created = await templates.put_version(database(request), draft)
    headers = {"Location": _path(template)} if created else None
    document = template_document(template)
    return JSONResponse(document, status_code=201 if created else 200, headers=headers)


_FIELDS = tuple(TemplateBody.model_fields)


def _check_default(draft: Template) -> None:
    """Every channel needs its part in the default locale, where each look-up ends."""
    default = draft.locales.get(draft.default_locale)
    if default is None:
        raise invalid("#/default_locale", "expected a locale that stands in 'locales'")
    for locale, content in draft.locales.items():
        for channel in _channels(content):
            if default.part(channel) is None:
                place = pointer("locales", locale, channel.value)
                raise invalid(place, f"the default locale '{draft.default_locale}' lacks it")


def _channels(content: Content) -> list[Channel]:
    return [channel for channel in Channel if content.part(channel) is not None]


def _check_syntax(draft: Template) -> None:
    errors = [
        error
        for locale, content in draft.locales.items()
        for channel in _channels(content)
        if (error := _syntax_error(content, channel, locale)) is not None
    ]
    if errors:
        detail = f"{errors[0].pointer}: {errors[0].detail}"
        raise Problem(types.TEMPLATE_SYNTAX, detail, errors)


def _syntax_error(content: Content, channel: Channel, locale: str) -> FieldError | None:
    part = content.part(channel)
    assert part is not None
    try:
        check_part(part, channel)
    except TemplateSyntaxError as error:
        return FieldError(error.detail, f"{pointer('locales', locale)}/{error.path}")
    except InvalidFieldError as error:
        raise invalid(f"{pointer('locales', locale)}/{error.path}", error.detail) from None
    return None


async def index(request: Request) -> Response:
    """200 with a page of templates in the order of their names: the latest version of each."""
    given = query(request, "limit", "after")
    limit = page_limit(given)
    after = decode_cursor(_LIST, given["after"], str)[0] if "after" in given else None
    found = await templates.page(database(request), after=after, limit=limit + 1)
    following = encode_cursor(_LIST, found[limit - 1].name) if len(found) > limit else None
    items = [_listed(template) for template in found[:limit]]
    return JSONResponse({"items": items, "next": following})


def _listed(template: TemplateSummary) -> dict[str, Any]:
    return {
        "name": template.name,
        "version": template.version,
        "default_locale": template.default_locale,
        "topic": template.topic,
        "locales": list(template.locales),
        "created_at": rfc3339(template.created_at),
    }


async def get(request: Request) -> Response:
    """200 with the latest version."""
    return JSONResponse(template_document(await _known(request, None)))


async def get_version(request: Request) -> Response:
    """200 with one version."""
    return JSONResponse(template_document(await _known(request, request.path_params["version"])))


async def show_preview(request: Request) -> Response:
    """200 with every part rendered; a variable that is not there is an error."""
    body = validate(PreviewBody, await json_object(request))
    version = None if body.version is None else str(body.version)
    template = await _known(request, version)
    slots: asyncio.Semaphore = request.app.state.preview_slots
    return JSONResponse(await preview(database(request), slots, template, body))


async def _known(request: Request, version: str | None) -> Template:
    name = request.path_params["name"]
    if _NAME.fullmatch(name) and (version is None or _VERSION.fullmatch(version)):
        number = None if version is None else int(version)
        template = await templates.get(database(request), name, number)
        if template is not None:
            return template
    what = f"template {name[:64]!r}"
    raise not_found(what if version is None else f"version {version[:10]} of {what}")


def template_document(template: Template) -> dict[str, Any]:
    """A template as answered: what PUT takes, with its name and version."""
    return {
        "name": template.name,
        "version": template.version,
        **template.model_dump(mode="json", by_alias=True, exclude={"name", "version", "locales"}),
        "locales": {
            locale: content.model_dump(mode="json", by_alias=True, exclude_none=True)
            for locale, content in template.locales.items()
        },
    }


def _path(template: Template) -> str:
    return f"/v1/templates/{template.name}/versions/{template.version}"


_NAMED = Parameter(
    "name", {"type": "string", "pattern": f"^{_NAME.pattern}$"}, "The template's name.", "path"
)
_NUMBER = Parameter(
    "version",
    {"type": "integer", "minimum": 1, "maximum": 10**9 - 1},
    "Versions count from 1.",
    "path",
)

ROUTES = (
    Route(
        "PUT",
        "/v1/templates/{name}",
        put,
        Scope.MANAGE,
        about=About({200: TemplateAnswer, 201: TemplateAnswer}, Body(TemplateBody), (_NAMED,)),
    ),
    Route(
        "GET",
        "/v1/templates",
        index,
        Scope.READ,
        about=About({200: Page[ListedTemplate]}, None, PAGE),
    ),
    Route(
        "GET",
        "/v1/templates/{name}",
        get,
        Scope.READ,
        about=About({200: TemplateAnswer}, None, (_NAMED,), (404,)),
    ),
    Route(
        "GET",
        "/v1/templates/{name}/versions/{version}",
        get_version,
        Scope.READ,
        about=About({200: TemplateAnswer}, None, (_NAMED, _NUMBER), (404,)),
    ),
    Route(
        "POST",
        "/v1/templates/{name}/preview",
        show_preview,
        Scope.READ,
        about=About({200: PreviewAnswer}, Body(PreviewBody), (_NAMED,), (404,)),
    ),
)

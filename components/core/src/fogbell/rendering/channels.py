"""Which fields each channel's part has, and how each is rendered."""

from collections.abc import Callable, Mapping

from pydantic import JsonValue

from fogbell.model.address import check_email
from fogbell.model.content import (
    AppriseContent,
    EmailContent,
    InboxContent,
    Part,
    PushContent,
    SmsContent,
    WebhookContent,
)
from fogbell.model.status import Channel
from fogbell.rendering.errors import RenderingError, TemplateSyntaxError
from fogbell.rendering.fields import Field, Run, Tree
from fogbell.rendering.rendered import (
    RenderedApprise,
    RenderedEmail,
    RenderedInbox,
    RenderedPart,
    RenderedPush,
    RenderedSms,
    RenderedWebhook,
)

MAX_CODE = 20_000
"""Steps that a part's code alone may take, once round: what parsing it costs follows from it."""

Renderer = Callable[[Run], RenderedPart]


def build(part: Part, channel: Channel) -> Renderer:
    """What renders ``part``. Raises `TemplateSyntaxError`, or ValueError for another channel's."""
    fields = _Fields(channel.value)
    match channel, part:
        case Channel.EMAIL, EmailContent():
            return _email(part, fields)
        case Channel.SMS, SmsContent():
            return _sms(part, fields)
        case Channel.PUSH, PushContent():
            return _push(part, fields)
        case Channel.WEBHOOK, WebhookContent():
            return _webhook(part, fields)
        case Channel.APPRISE, AppriseContent():
            return _apprise(part, fields)
        case Channel.INBOX, InboxContent():
            return _inbox(part, fields)
    raise ValueError(f"expected content for {channel}, found {type(part).__name__}")


class _Fields:
    """Makes one channel's fields, and refuses them together when they are too much code."""

    def __init__(self, channel: str) -> None:
        self._channel = channel
        self._code = 0

    def text(self, name: str, source: str, *, html: bool = False, line: bool = False) -> Field:
        field = Field(source, f"{self._channel}/{name}", html=html, line=line)
        self._count(field.weight)
        return field

    def line(self, name: str, source: str) -> Field:
        return self.text(name, source, line=True)

    def tree(self, name: str, value: Mapping[str, JsonValue]) -> Tree:
        tree = Tree(value, f"{self._channel}/{name}")
        self._count(tree.weight)
        return tree

    def _count(self, weight: int) -> None:
        self._code += weight
        if self._code > MAX_CODE:
            raise TemplateSyntaxError(self._channel, "the part has too many tags and expressions")


def _email(part: EmailContent, fields: _Fields) -> Renderer:
    subject = fields.line("subject", part.subject)
    text = None if part.text is None else fields.text("text", part.text)
    html = None if part.html is None else fields.text("html", part.html, html=True)
    from_ = None if part.from_ is None else fields.line("from", part.from_)
    reply_to = None if part.reply_to is None else fields.line("reply_to", part.reply_to)
    headers = {name: fields.line(f"headers/{name}", value) for name, value in part.headers.items()}

    def render(run: Run) -> RenderedEmail:
        return RenderedEmail(
            subject=subject.render(run),
            text=None if text is None else text.render(run),
            html=None if html is None else html.render(run),
            from_=None if from_ is None else from_.render(run),
            reply_to=None if reply_to is None else _address(reply_to, run),
            headers={name: value.render(run) for name, value in headers.items()},
        )

    return render


def _address(field: Field, run: Run) -> str:
    """``{{data.desk}}@example.org`` is an address by RFC 5321, so it is checked once rendered."""
    try:
        return check_email(field.render(run))
    except RenderingError:
        raise
    except ValueError as error:
        raise RenderingError(field.path, str(error)) from error


def _sms(part: SmsContent, fields: _Fields) -> Renderer:
    text = fields.text("text", part.text)
    return lambda run: RenderedSms(text.render(run))


def _push(part: PushContent, fields: _Fields) -> Renderer:
    title = fields.line("title", part.title)
    body = fields.text("body", part.body)
    data = {name: fields.text(f"data/{name}", value) for name, value in part.data.items()}
    return lambda run: RenderedPush(
        title.render(run),
        body.render(run),
        {name: value.render(run) for name, value in data.items()},
    )


def _webhook(part: WebhookContent, fields: _Fields) -> Renderer:
    kind = fields.line("type", part.type)
    data = fields.tree("data", part.data)
    return lambda run: RenderedWebhook(kind.render(run), data.render(run))


def _apprise(part: AppriseContent, fields: _Fields) -> Renderer:
    title = fields.line("title", part.title)
    body = fields.text("body", part.body)
    return lambda run: RenderedApprise(title.render(run), body.render(run))


def _inbox(part: InboxContent, fields: _Fields) -> Renderer:
    title = fields.line("title", part.title)
    body = fields.text("body", part.body)
    url = fields.line("url", part.url)
    data = fields.tree("data", part.data)
    return lambda run: RenderedInbox(
        title.render(run), body.render(run), url.render(run), data.render(run)
    )

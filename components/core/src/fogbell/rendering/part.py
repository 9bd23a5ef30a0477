"""A whole part compiled: what one channel sends, for one locale."""

from collections.abc import Callable, Mapping

from fogbell.model.address import split_mailbox
from fogbell.model.content import EmailContent, Part
from fogbell.model.status import Channel
from fogbell.rendering.channels import Renderer, build
from fogbell.rendering.errors import InvalidFieldError, MissingVariableError
from fogbell.rendering.fields import Run
from fogbell.rendering.lexer import is_liquid
from fogbell.rendering.rendered import RenderedPart


class CompiledPart:
    """A part ready to be rendered any number of times, from any number of tasks.

    A rendering takes no more than about 100 ms and a megabyte of text, whatever its data.
    """

    __slots__ = ("_renderer", "channel")

    def __init__(self, channel: Channel, renderer: Renderer) -> None:
        self.channel = channel
        self._renderer = renderer

    def render(
        self, context: Mapping[str, object], on_unknown: Callable[[], None] | None = None
    ) -> RenderedPart:
        """The part for one recipient; ``context`` as `template_context` makes it.

        An unknown variable becomes empty text and ``on_unknown`` is called, once for each use.
        Raises `RenderingError`, which another attempt with the same data would raise again.
        """
        report = None if on_unknown is None else lambda _path, _name: on_unknown()
        return self._renderer(Run(context, report))

    def missing(self, context: Mapping[str, object]) -> tuple[RenderedPart, dict[str, list[str]]]:
        """The part, and the unknown variables that it uses with this data, by field."""
        found: dict[str, list[str]] = {}

        def note(path: str, name: str) -> None:
            names = found.setdefault(path, [])
            if name not in names:
                names.append(name)

        return self._renderer(Run(context, note)), found


def compile_part(part: Part, channel: Channel) -> CompiledPart:
    """Compile every field of ``part``. Raises `TemplateSyntaxError` for the first that is wrong."""
    return CompiledPart(channel, build(part, channel))


def check_part(part: Part, channel: Channel) -> None:
    """Refuse a part that cannot be sent to anybody: before it is stored, and never afterwards.

    Raises `TemplateSyntaxError` or `InvalidFieldError`.
    """
    compile_part(part, channel)
    if isinstance(part, EmailContent) and part.from_ and not is_liquid(part.from_):
        try:
            split_mailbox(part.from_.strip())
        except ValueError as error:
            raise InvalidFieldError(f"{channel}/from", str(error)) from None


def preview(part: Part, channel: Channel, context: Mapping[str, object]) -> RenderedPart:
    """Render, but raise `MissingVariableError` naming every unknown variable that is used."""
    rendered, missing = compile_part(part, channel).missing(context)
    if missing:
        raise MissingVariableError(missing)
    return rendered


def undeclared(part: Part, context: Mapping[str, object], channel: Channel) -> dict[str, list[str]]:
    """The variables that ``part`` uses and ``context`` lacks, by field; those it only tests are
    not used, nor are those in branches not taken."""
    return compile_part(part, channel).missing(context)[1]


def template_context(
    recipient: Mapping[str, object], data: Mapping[str, object], notification_id: str
) -> dict[str, object]:
    """Every name a template sees: ``data``, ``recipient`` and ``notification.id``."""
    return {"data": data, "recipient": recipient, "notification": {"id": notification_id}}

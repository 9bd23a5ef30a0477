"""Liquid templates into what a channel sends: compiled once, bounded always.

`compile_part` makes a `CompiledPart`; its ``render`` gives the channel's dataclass. HTML is escaped
in an e-mail's ``html`` and nowhere else; fields that are one line stay one line.
"""

from fogbell.rendering.errors import (
    InvalidFieldError,
    MissingVariableError,
    PreviewTimeoutError,
    RenderingError,
    TemplateSyntaxError,
)
from fogbell.rendering.part import (
    CompiledPart,
    check_part,
    compile_part,
    preview,
    template_context,
    undeclared,
)
from fogbell.rendering.previewing import preview_in_process
from fogbell.rendering.rendered import (
    RenderedApprise,
    RenderedEmail,
    RenderedInbox,
    RenderedPart,
    RenderedPush,
    RenderedSms,
    RenderedWebhook,
)

__all__ = [
    "CompiledPart",
    "InvalidFieldError",
    "MissingVariableError",
    "PreviewTimeoutError",
    "RenderedApprise",
    "RenderedEmail",
    "RenderedInbox",
    "RenderedPart",
    "RenderedPush",
    "RenderedSms",
    "RenderedWebhook",
    "RenderingError",
    "TemplateSyntaxError",
    "check_part",
    "compile_part",
    "preview",
    "preview_in_process",
    "template_context",
    "undeclared",
]

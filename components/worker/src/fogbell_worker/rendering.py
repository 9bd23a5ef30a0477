"""Renders the parts of one channel: each is compiled once, for all its recipients."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar
from uuid import UUID

from fogbell.model.status import Channel
from fogbell.rendering import CompiledPart, RenderedPart, compile_part, template_context
from fogbell_worker.sending import Work

COMPILED_PARTS = 256
"""Compiled contents that are kept, least recently used first out."""

R = TypeVar("R", bound=RenderedPart)


class Renderer(Generic[R]):
    """Renders work into ``kind``, the dataclass that goes with ``channel``.

    ``on_unknown`` is called for every unknown variable that was rendered as nothing.
    """

    def __init__(
        self, channel: Channel, kind: type[R], on_unknown: Callable[[], None] | None = None
    ) -> None:
        self._channel = channel
        self._kind = kind
        self._on_unknown = on_unknown
        self._compiled: OrderedDict[tuple[UUID, str | None], CompiledPart] = OrderedDict()

    def render(self, work: Work) -> R:
        """What is to be sent. Raises `RenderingError`, and ValueError for another channel's."""
        rendered = work.callback.message if work.callback else self._rendered(work)
        if not isinstance(rendered, self._kind):
            raise TypeError(f"expected content for {self._channel}")
        return rendered

    def _rendered(self, work: Work) -> RenderedPart:
        context = template_context(work.recipient, work.data, str(work.notification.id))
        return self._part(work).render(context, self._on_unknown)

    def _part(self, work: Work) -> CompiledPart:
        key = (work.notification.id, work.locale)
        part = self._compiled.get(key)
        if part is None:
            part = self._compiled[key] = compile_part(work.part, self._channel)
            if len(self._compiled) > COMPILED_PARTS:
                self._compiled.popitem(last=False)
        self._compiled.move_to_end(key)
        return part

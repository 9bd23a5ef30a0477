"""Variables without filters: most of what templates do, on a short way."""

from collections.abc import Iterable, Mapping
from typing import TextIO

from liquid import RenderContext
from liquid.ast import Node
from liquid.builtin.content import ContentNode
from liquid.builtin.expressions import FilteredExpression, Path
from liquid.builtin.output import OutputNode
from liquid.stringify import to_liquid_string

from fogbell.rendering.budget import STEP_SHIFT, Budget, weigh

ABSENT = object()
"""Instead of a value: there is none."""


class Variable(Node):
    """``{{ data.order }}``."""

    __slots__ = ("_path", "_path_token")

    def __init__(self, node: OutputNode, path: Path) -> None:
        super().__init__(node.token)
        self.blank = False
        self._path: list[object] = list(path.path)
        self._path_token = path.token

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        """Write the variable's value."""
        return buffer.write(self.text(context))

    def text(self, context: RenderContext) -> str:
        """The variable's value, whatever it is."""
        value = context.get(self._path, token=self._path_token)
        if type(value) is str and not context.autoescape:
            return value
        return to_liquid_string(value, context.autoescape)

    def string(self, names: Mapping[str, object], budget: Budget, *, html: bool) -> str | None:
        """As `text`, without a context, where the value is a string among ``names``; else None."""
        try:
            value = below(names[str(self._path[0])], self._path)
        except (KeyError, TypeError):
            return None
        if type(value) is not str:
            return None
        budget.charge(1 + (weigh(value) >> STEP_SHIFT))
        return to_liquid_string(value, autoescape=True) if html else value


def shorten(node: Node) -> Node:
    """The same node, or a `Variable` where it is no more than that."""
    if not isinstance(node, OutputNode) or not isinstance(node.expression, FilteredExpression):
        return node
    path = node.expression.left
    if node.expression.filters or not isinstance(path, Path):
        return node
    return Variable(node, path) if all(isinstance(key, str) for key in path.path) else node


def only_text_and_variables(nodes: Iterable[Node]) -> list[str | Variable] | None:
    """The pieces of a template that is nothing but text and variables; None for any other."""
    pieces: list[str | Variable] = []
    for node in nodes:
        if isinstance(node, ContentNode):
            pieces.append(node.text)
        elif isinstance(node, Variable):
            pieces.append(node)
        else:
            return None
    return pieces


def below(found: object, path: list[object]) -> object:
    """The value at the rest of ``path``, whose head was ``found``, where each step is a key of a
    plain dictionary; else `ABSENT`. Raises KeyError and TypeError where a key is not there.
    """
    for key in path[1:]:
        if type(found) is not dict:
            return ABSENT
        found = found[key]
    return found

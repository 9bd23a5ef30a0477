"""One field of a part: compiled once, rendered for every recipient."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from liquid import BoundTemplate
from liquid.exceptions import LiquidError, LiquidInterrupt
from pydantic import JsonValue

from fogbell.rendering.budget import Budget, BudgetError
from fogbell.rendering.environment import Buffer, Context, environment
from fogbell.rendering.errors import RenderingError, TemplateSyntaxError
from fogbell.rendering.lexer import is_liquid
from fogbell.rendering.syntax import line_of, parse
from fogbell.rendering.variables import Variable, only_text_and_variables, shorten

MAX_DEPTH = 32
"""How deep a part's ``data`` may nest."""

# Everything that some reader takes for the end of a line, and the rest of the control characters
# except the tab: header injection is impossible where none of them gets through.
_NOT_ON_A_LINE = re.compile("[\x00-\x08\x0a-\x1f\x7f\x85\u2028\u2029]")

ReportUnknown = Callable[[str, str], None]
"""Called with a field's path and the name of an unknown variable that it uses."""


@dataclass(slots=True)
class Run:
    """One rendering of one part: what its fields share."""

    names: Mapping[str, object]
    report: ReportUnknown | None = None
    budget: Budget = field(default_factory=Budget)


class Field:
    """Text with Liquid in it, or without. Immutable once made."""

    __slots__ = ("_html", "_literal", "_one_line", "_pieces", "_template", "path", "weight")

    def __init__(self, source: str, path: str, *, html: bool = False, line: bool = False) -> None:
        self.path = path
        self.weight = 0
        self._one_line = line
        self._literal = source
        self._html = html
        self._template: BoundTemplate | None = None
        self._pieces: list[str | Variable] | None = None
        if is_liquid(source):
            self._template, self.weight = parse(environment(html=html), source, path)
            self._template.nodes = [shorten(node) for node in self._template.nodes]
            self._pieces = only_text_and_variables(self._template.nodes)

    def render(self, run: Run) -> str:
        """The field's text. Raises `RenderingError`."""
        text = self._literal if self._template is None else self._fill(self._template, run)
        if not self._one_line:
            return text
        text = text.strip()
        if _NOT_ON_A_LINE.search(text):
            raise RenderingError(self.path, "expected a single line without control characters")
        return text

    def _fill(self, template: BoundTemplate, run: Run) -> str:
        try:
            if self._pieces is not None:
                return self._joined(self._pieces, template, run)
            return self._rendered(template, run)
        except LiquidInterrupt:
            raise RenderingError(self.path, "'break' or 'continue' outside a loop") from None
        except BudgetError as error:
            raise RenderingError(self.path, str(error.message)) from error
        except LiquidError as error:
            raise RenderingError(self.path, _place(error)) from error
        except (ArithmeticError, LookupError, RecursionError, TypeError, ValueError) as error:
            raise RenderingError(self.path, "an expression cannot be computed") from error

    def _joined(self, pieces: list[str | Variable], template: BoundTemplate, run: Run) -> str:
        """As `_rendered`, where all is text and variables. For strings among the names given that
        takes nothing of what python-liquid sets up for a rendering, which costs more than the rest.
        """
        budget, texts = run.budget, []
        context: Context | None = None
        for piece in pieces:
            if isinstance(piece, str):
                text = piece
            elif (found := piece.string(run.names, budget, html=self._html)) is not None:
                text = found
            else:
                context = context or self._context(template, run)
                text = piece.text(context)
            budget.write(len(text))
            texts.append(text)
        return "".join(texts)

    def _rendered(self, template: BoundTemplate, run: Run) -> str:
        buffer = Buffer(run.budget)
        context = self._context(template, run)
        for node in template.nodes:
            node.render_to_output(context, buffer)
        return buffer.getvalue()

    def _context(self, template: BoundTemplate, run: Run) -> Context:
        found, path = run.report, self.path
        report = None if found is None else lambda name: found(path, name)
        return Context(template, run.names, run.budget, report)


class Tree:
    """JSON whose strings are fields: a webhook's or an inbox item's ``data``."""

    __slots__ = ("_node", "weight")

    def __init__(self, value: Mapping[str, JsonValue], path: str) -> None:
        self._node = _plant(dict(value), path, 0)
        self.weight = sum(found.weight for found in _fields(self._node))

    def render(self, run: Run) -> dict[str, JsonValue]:
        """A new document, every string rendered. Raises `RenderingError`."""
        grown = _grow(self._node, run)
        assert isinstance(grown, dict)
        return grown


_Node = Field | dict[str, "_Node"] | list["_Node"] | int | float | None


def _plant(value: JsonValue, path: str, depth: int) -> _Node:
    if depth > MAX_DEPTH:
        raise TemplateSyntaxError(path, f"'data' nests deeper than {MAX_DEPTH}")
    if isinstance(value, str):
        return Field(value, path)
    if isinstance(value, dict):
        return {key: _plant(item, f"{path}/{key}", depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_plant(item, f"{path}/{index}", depth + 1) for index, item in enumerate(value)]
    return value


def _fields(node: _Node) -> list[Field]:
    if isinstance(node, Field):
        return [node]
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return [found for child in children for found in _fields(child)]


def _grow(node: _Node, run: Run) -> JsonValue:
    if isinstance(node, Field):
        return node.render(run)
    if isinstance(node, dict):
        return {key: _grow(item, run) for key, item in node.items()}
    if isinstance(node, list):
        return [_grow(item, run) for item in node]
    return node


def _place(error: LiquidError) -> str:
    """What failed, in the template's words only: messages of the package may quote data."""
    line = line_of(error.token)
    where = f"line {line}: " if line else ""
    near = f" near '{error.token.value[:40]}'" if error.token and error.token.value else ""
    return f"{where}an expression cannot take the data it is given{near}"

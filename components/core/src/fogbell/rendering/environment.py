"""python-liquid, made safe to run in a worker: what it may do, see and cost."""

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from io import StringIO
from typing import TextIO

from liquid import BoundTemplate, Environment, RenderContext
from liquid.ast import Node
from liquid.builtin.expressions import LoopExpression
from liquid.builtin.tags.for_tag import ForNode, ForTag
from liquid.stream import TokenStream
from liquid.token import Token
from liquid.undefined import UNDEFINED, Undefined
from liquid.utils import ReadOnlyChainMap

from fogbell.rendering import filters
from fogbell.rendering.budget import (
    MAX_LOCALS,
    MAX_RANGE,
    MAX_VALUE,
    STEP_SHIFT,
    Budget,
    BudgetError,
    weigh,
)
from fogbell.rendering.lexer import code_weight, tokenize
from fogbell.rendering.variables import ABSENT, below

REFUSED_TAGS = ("include", "render", "tablerow", "liquid")
"""Nothing is loaded; ``tablerow`` is a loop of its own; ``liquid`` lexes in quadratic time."""

Report = Callable[[str], None]
"""Called with the name of an unknown variable at its first use."""


class Unknown(Undefined):
    """An unknown variable: empty text, and reported when it is used as anything but a test.

    ``{% if data.x %}``, comparisons and ``default:`` are how a template asks whether a variable is
    there, so they are no use of it.
    """

    __slots__ = ("_report",)

    def __init__(self, name: str, token: Token | None, report: Report | None) -> None:
        super().__init__(name, token=token)
        self._report = report

    def _used(self) -> None:
        report, self._report = self._report, None
        if report:
            report(self.name)

    def __str__(self) -> str:
        self._used()
        return ""

    def __len__(self) -> int:
        self._used()
        return 0

    def __int__(self) -> int:
        self._used()
        return 0

    def __iter__(self) -> Iterator[object]:
        self._used()
        return iter(())


class Buffer(StringIO):
    """Text on its way out, paid for as it is written; kept in a list, which is faster."""

    def __init__(self, budget: Budget) -> None:
        super().__init__()
        self._budget = budget
        self._pieces: list[str] = []

    def write(self, text: str, /) -> int:
        """Write ``text``; raises `BudgetError`."""
        length = len(text)
        self._budget.write(length)
        self._pieces.append(text)
        return length

    def getvalue(self) -> str:
        """All that was written."""
        return "".join(self._pieces)


class Scope(ReadOnlyChainMap):
    """The names in sight, innermost first, found without an exception for each outer one."""

    def __getitem__(self, key: str) -> object:
        for names in self._maps:
            if key in names:
                return names[key]
        raise KeyError(key)


class Context(RenderContext):
    """What one field sees while it renders: the names given, its own variables, nothing else."""

    __slots__ = ("_local_weights", "_locals_weight", "budget", "report")

    def __init__(
        self,
        template: BoundTemplate,
        names: Mapping[str, object],
        budget: Budget,
        report: Report | None,
    ) -> None:
        super().__init__(template, globals=names)
        self.scope = Scope(self.locals, names, self.counters)
        self.budget = budget
        self.report = report
        self._local_weights: dict[str, int] = {}
        self._locals_weight = 0

    def get(
        self, path: list[object], *, token: Token | None, default: object = UNDEFINED
    ) -> object:
        """The value at ``path``, or an `Unknown`; charged by its size."""
        found = self._plain(path)
        if found is ABSENT:
            found = super().get(path, token=token, default=ABSENT)
        if found is ABSENT:
            found = Unknown(_dotted(path), token, self.report) if default is UNDEFINED else default
        self.budget.charge(1 + (weigh(found) >> STEP_SHIFT))
        return found

    def _plain(self, path: list[object]) -> object:
        """The value where every step is a key that is there: nearly always, and quickly."""
        try:
            return below(self.scope[str(path[0])], path)
        except (KeyError, TypeError):
            return ABSENT

    def assign(self, key: str, val: object) -> None:
        """Keep a variable, within what one field may keep."""
        weight = weigh(val)
        self._locals_weight += weight - self._local_weights.get(key, 0)
        self._local_weights[key] = weight
        if self._locals_weight > MAX_VALUE or len(self._local_weights) > MAX_LOCALS:
            raise BudgetError("the template keeps too much in variables", token=None)
        self.locals[key] = val

    def get_buffer(self, buf: TextIO | None = None) -> StringIO:  # noqa: ARG002 - theirs
        """A buffer for a captured block."""
        return Buffer(self.budget)


class BoundedLoop(LoopExpression):
    """A loop that pays for all its iterations before the first one."""

    __slots__ = ("weight",)

    def __init__(self, loop: LoopExpression, weight: int) -> None:
        super().__init__(
            loop.token,
            loop.identifier,
            loop.iterable,
            limit=loop.limit,
            offset=loop.offset,
            reversed_=loop.reversed,
            cols=loop.cols,
        )
        self.weight = weight

    def _to_iter(self, obj: object, context: RenderContext) -> tuple[Iterator[object], int]:
        if isinstance(obj, range) and obj.stop - obj.start > MAX_RANGE:
            raise BudgetError(f"a range has more than {MAX_RANGE} numbers", token=self.token)
        return super()._to_iter(obj, context)

    def evaluate(self, context: RenderContext) -> tuple[Iterator[object], int]:
        """The iterator and how many times it goes round."""
        iterator, length = super().evaluate(context)
        if isinstance(context, Context):
            context.budget.charge(length * self.weight)
        return iterator, length


class BoundedForTag(ForTag):
    """``for``, knowing how much code it goes round."""

    def parse(self, stream: TokenStream) -> Node:
        """The node, its expression bounded by what its block costs."""
        start = stream.pos
        node = super().parse(stream)
        if isinstance(node, ForNode):
            weight = code_weight(stream.tokens[start : stream.pos])
            node.expression = BoundedLoop(node.expression, weight)
        return node


class SafeEnvironment(Environment):
    """The tags and filters that templates have; one with ``autoescape`` for HTML, one without."""

    block_nesting_limit = 20
    context_depth_limit = 40

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        """Register what is safe, guarded."""
        super().setup_tags_and_filters(extra=extra)
        for name in REFUSED_TAGS:
            del self.tags[name]
        self.add_tag(BoundedForTag)
        self.filters["strip_html"] = filters.strip_html
        self.filters["date"] = filters.utc_date(self.filters["date"])
        for name, func in self.filters.items():
            self.filters[name] = filters.guard(name, func)

    def tokenizer(self) -> Callable[[str], Iterator[Token]]:
        """The lexer that takes linear time."""
        return tokenize


@cache
def environment(*, html: bool) -> SafeEnvironment:
    """The one environment for fields that are HTML, or for those that are not."""
    return SafeEnvironment(autoescape=html)


def _dotted(path: list[object]) -> str:
    head, *rest = path
    return str(head) + "".join(
        f"[{part}]" if isinstance(part, int) else f".{part}" for part in rest
    )

"""One field's source into a template, refusing at once what would only fail while rendering."""

from collections.abc import Iterable, Iterator, Sequence

from liquid import BoundTemplate, RenderContext
from liquid.ast import Node
from liquid.builtin.expressions import FilteredExpression, LoopExpression
from liquid.builtin.expressions.primitive import RangeLiteral
from liquid.exceptions import BlockNestingError, LiquidError, LiquidSyntaxError
from liquid.expression import Expression
from liquid.token import TOKEN_OUTPUT, TOKEN_TAG, Token

from fogbell.rendering.environment import REFUSED_TAGS, SafeEnvironment
from fogbell.rendering.errors import TemplateSyntaxError
from fogbell.rendering.lexer import code_weight, tokenize

MAX_TAGS = 2_000
"""Tags and outputs in one field: parsing them takes some 40 ms."""


def parse(env: SafeEnvironment, source: str, path: str) -> tuple[BoundTemplate, int]:
    """The template, and how many steps rendering it takes beside its loops and data.

    Raises `TemplateSyntaxError` with ``path`` and the line.
    """
    try:
        tokens = list(tokenize(source))
        _check_tokens(tokens)
        template = env.from_string(source)
        _check_nodes(env, template)
    except LiquidError as error:
        line = line_of(error.token) or source.count("\n") + 1
        raise TemplateSyntaxError(path, _sentence(error), line) from error
    except (RecursionError, ValueError) as error:
        raise TemplateSyntaxError(path, "an expression is nested too deeply") from error
    return template, code_weight(tokens)


def line_of(token: Token | None) -> int | None:
    """The line a token stands on, from 1; None where the error has no place."""
    if token is None or token.start_index < 0:
        return None
    return token.source.count("\n", 0, token.start_index) + 1


def _check_tokens(tokens: Sequence[Token]) -> None:
    code = [token for token in tokens if token.kind in (TOKEN_TAG, TOKEN_OUTPUT)]
    if len(code) > MAX_TAGS:
        raise LiquidSyntaxError(f"more than {MAX_TAGS} tags and outputs", token=code[MAX_TAGS])
    for token in code:
        if token.kind == TOKEN_TAG and token.value in REFUSED_TAGS:
            raise LiquidSyntaxError(f"the tag '{token.value}' is not available", token=token)


def _check_nodes(env: SafeEnvironment, template: BoundTemplate) -> None:
    static = RenderContext(template)
    for expression in _expressions(template.nodes, static):
        if isinstance(expression, RangeLiteral):
            raise LiquidSyntaxError("a range is only for 'for' loops", token=expression.token)
        if isinstance(expression, FilteredExpression):
            for applied in expression.filters or ():
                if applied.name not in env.filters:
                    message = f"there is no filter '{applied.name}'"
                    raise LiquidSyntaxError(message, token=applied.token)


def _expressions(nodes: Iterable[Node], static: RenderContext) -> Iterator[Expression]:
    for node in nodes:
        for expression in node.expressions():
            yield from _within(expression)
        yield from _expressions(node.children(static), static)


def _within(expression: Expression) -> Iterator[Expression]:
    yield expression
    for child in expression.children():
        iterated = isinstance(expression, LoopExpression) and child is expression.iterable
        if iterated and isinstance(child, RangeLiteral):
            yield from child.children()
        else:
            yield from _within(child)


def _sentence(error: LiquidError) -> str:
    if isinstance(error, BlockNestingError):
        return "blocks are nested too deeply"
    cause = error.__cause__
    if isinstance(cause, LiquidError):
        return str(cause.message)
    if isinstance(cause, RecursionError):
        return "an expression is nested too deeply"
    return str(error.message).replace("end of expression", "the end")

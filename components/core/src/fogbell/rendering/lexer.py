"""Liquid source into tokens, in linear time.

python-liquid's own lexer is one regular expression that looks ahead to the end of the source from
every delimiter: 200,000 characters of ``{{`` keep it busy for minutes. This one yields the same
tokens and stops at the first delimiter that nothing closes.
"""

import re
from collections.abc import Iterator, Sequence

from liquid.exceptions import LiquidSyntaxError
from liquid.token import (
    TOKEN_COMMENT,
    TOKEN_CONTENT,
    TOKEN_DOC,
    TOKEN_EOF,
    TOKEN_EXPRESSION,
    TOKEN_OUTPUT,
    TOKEN_TAG,
    Token,
)

MAX_EXPRESSION = 4_000
"""Characters between one pair of delimiters."""
MAX_BRACKETS = 32
"""Opening brackets of any kind in one expression: each makes the parser look ahead."""

_OPEN = re.compile(r"\{[{%]-?")
_NAME = re.compile(r"\s*(#|\w+)\s*")
_BLOCK_ENDS = {
    "raw": re.compile(r"\{%(?P<left>-?)\s*endraw\s*(?P<right>-?)%\}"),
    "doc": re.compile(r"\{%(?P<left>-?)\s*enddoc\s*(?P<right>-?)%\}"),
}
_COMMENT_EDGE = re.compile(r"\{%-?\s*(?P<end>end)?comment\b\s*(?P<right>-?)%\}")


def is_liquid(source: str) -> bool:
    """Whether there is anything in ``source`` to render."""
    return "{{" in source or "{%" in source


def code_weight(tokens: Sequence[Token]) -> int:
    """How many steps rendering these tokens once takes, beside what the data adds."""
    return sum(
        1 + len(token.value) // 8 if token.kind == TOKEN_EXPRESSION else 1 for token in tokens
    )


def tokenize(source: str) -> Iterator[Token]:
    """The tokens of a template. Raises `LiquidSyntaxError`."""
    position, trim = 0, False
    while position < len(source):
        opening = _OPEN.search(source, position)
        end = opening.start() if opening else len(source)
        text = source[position:end]
        text = text.lstrip() if trim else text
        if opening and opening.group().endswith("-"):
            text = text.rstrip()
        if text:
            yield Token(TOKEN_CONTENT, text, position, source)
        if not opening:
            return
        if opening.group().startswith("{{"):
            position, trim, tokens = _output(source, opening)
        else:
            position, trim, tokens = _tag(source, opening)
        yield from tokens


def _output(source: str, opening: re.Match[str]) -> tuple[int, bool, list[Token]]:
    inner, start, end, trim = _inner(source, opening, "}}")
    whole = source[opening.start() : end]
    return (
        end,
        trim,
        [
            Token(TOKEN_OUTPUT, whole, opening.start(), source),
            Token(TOKEN_EXPRESSION, inner, start, source),
        ],
    )


def _tag(source: str, opening: re.Match[str]) -> tuple[int, bool, list[Token]]:
    inner, start, end, trim = _inner(source, opening, "%}")
    named = _NAME.match(inner)
    if not named:
        raise _error("expected the name of a tag after '{%'", source, opening.start())
    name, expression = named.group(1), inner[named.end() :]
    if name in _BLOCK_ENDS and not expression:
        return _verbatim(source, end, name, trim)
    tokens = [Token(TOKEN_TAG, name, start + named.start(1), source)]
    if expression:
        tokens.append(Token(TOKEN_EXPRESSION, expression, start + named.end(), source))
    if name == "comment":
        end, trim, rest = _comment(source, end)
        tokens += rest
    return end, trim, tokens


def _inner(source: str, opening: re.Match[str], closing: str) -> tuple[str, int, int, bool]:
    """What stands between the delimiters, where it starts, where the closing one ends."""
    close = source.find(closing, opening.end())
    if close < 0:
        raise _error(f"expected '{closing}', found the end", source, opening.start())
    trim = close > opening.end() and source[close - 1] == "-"
    raw = source[opening.end() : close - trim]
    inner = raw.lstrip()
    start = opening.end() + len(raw) - len(inner)
    inner = inner.rstrip()
    if len(inner) > MAX_EXPRESSION:
        raise _error(f"an expression has more than {MAX_EXPRESSION} characters", source, start)
    if inner.count("(") + inner.count("[") > MAX_BRACKETS:
        raise _error(f"an expression has more than {MAX_BRACKETS} brackets", source, start)
    return inner, start, close + len(closing), trim


def _verbatim(source: str, start: int, name: str, trim: bool) -> tuple[int, bool, list[Token]]:
    edge = _BLOCK_ENDS[name].search(source, start)
    if not edge:
        raise _error(f"expected '{{% end{name} %}}', found the end", source, start)
    text = source[start : edge.start()]
    text = text.lstrip() if trim else text
    text = text.rstrip() if edge.group("left") else text
    kind = TOKEN_CONTENT if name == "raw" else TOKEN_DOC
    tokens = [Token(kind, text, start, source)] if text or kind == TOKEN_DOC else []
    return edge.end(), bool(edge.group("right")), tokens


def _comment(source: str, start: int) -> tuple[int, bool, list[Token]]:
    depth = 1
    for edge in _COMMENT_EDGE.finditer(source, start):
        depth += -1 if edge.group("end") else 1
        if not depth:
            text = source[start : edge.start()]
            return (
                edge.end(),
                bool(edge.group("right")),
                [
                    Token(TOKEN_COMMENT, text, start, source),
                    Token(TOKEN_TAG, "endcomment", edge.start(), source),
                ],
            )
    raise _error("expected '{% endcomment %}', found the end", source, start)


def _error(message: str, source: str, index: int) -> LiquidSyntaxError:
    return LiquidSyntaxError(message, token=Token(TOKEN_EOF, "", index, source))

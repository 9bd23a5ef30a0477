"""Liquid's filters, each charged for what it reads and bounded in what it makes."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Protocol

from liquid import Environment, Markup
from liquid.exceptions import FilterError, LiquidError
from liquid.undefined import is_undefined

from fogbell.rendering.budget import MAX_VALUE, STEP_SHIFT, Budget, BudgetError, weigh

MAX_DATE = 64
"""Characters of text that may stand for a date; the parser behind it is slow."""
MAX_DATE_FORMAT = 256
_DATE_STEPS = 400

Filter = Callable[..., object]


class Charged(Protocol):
    """The render context, as far as a filter needs it."""

    budget: Budget
    env: Environment


def guard(name: str, func: Filter) -> Filter:
    """``func`` as a filter that pays before it works and is refused what it made too large.

    The errors of the filters themselves may quote data; those raised here never do.
    """
    check = _CHECKS.get(name)
    passes_environment = getattr(func, "with_environment", False)

    def guarded(left: object, *args: object, context: Charged, **kwargs: object) -> object:
        values = (left, *args, *kwargs.values())
        cost = sum(weigh(value) for value in values)
        context.budget.charge(2 + (cost >> STEP_SHIFT))
        if name != "default":
            _note_unknown(values)
        try:
            if check:
                check(context.budget, left, args)
            if passes_environment:
                kwargs["environment"] = context.env
            result = func(left, *args, **kwargs)
        except BudgetError:
            raise
        except (LiquidError, ArithmeticError, LookupError, TypeError, ValueError) as error:
            raise FilterError(
                f"filter '{name}' cannot take what it is given", token=None
            ) from error
        context.budget.charge(weigh(result) >> STEP_SHIFT)
        return result

    guarded.with_context = True  # type: ignore[attr-defined] # how python-liquid finds out
    return guarded


def _note_unknown(values: tuple[object, ...]) -> None:
    for value in values:
        if is_undefined(value):
            str(value)  # an unknown variable reports its use when it is turned into text


def _check_replace(_budget: Budget, left: object, args: Sequence[object]) -> None:
    if args:
        new = str(args[1]) if len(args) > 1 else ""
        _room_for(len(str(left)) + str(left).count(str(args[0])) * len(new))


def _check_join(_budget: Budget, left: object, args: Sequence[object]) -> None:
    if isinstance(left, (list, tuple)):
        separator = str(args[0]) if args else " "
        _room_for(weigh(left) + len(left) * len(separator))


def _check_uniq(budget: Budget, left: object, _args: Sequence[object]) -> None:
    """Every element is compared with every other."""
    if isinstance(left, (list, tuple)):
        budget.charge(len(left) * weigh(left) >> 12)


def _check_split(_budget: Budget, left: object, args: Sequence[object]) -> None:
    separator = str(args[0]) if args else ""
    pieces = str(left).count(separator) if separator else len(str(left))
    _room_for(pieces << STEP_SHIFT)


def _check_markup(budget: Budget, left: object, _args: Sequence[object]) -> None:
    budget.charge(len(str(left)) >> 3)


def _check_sort(budget: Budget, left: object, _args: Sequence[object]) -> None:
    budget.charge(weigh(left) >> 4)


def _check_date(budget: Budget, left: object, args: Sequence[object]) -> None:
    budget.charge(_DATE_STEPS)
    if len(str(left)) > MAX_DATE or any(len(str(arg)) > MAX_DATE_FORMAT for arg in args):
        raise BudgetError("a date or its format is too long", token=None)


def _room_for(characters: int) -> None:
    if characters > MAX_VALUE:
        raise BudgetError(f"a value is larger than {MAX_VALUE} characters", token=None)


_CHECKS: dict[str, Callable[[Budget, object, Sequence[object]], None]] = {
    "replace": _check_replace,
    "join": _check_join,
    "split": _check_split,
    "escape_once": _check_markup,
    "strip_html": _check_markup,
    "uniq": _check_uniq,
    "sort": _check_sort,
    "sort_natural": _check_sort,
    "date": _check_date,
}

_MARKUP = re.compile(
    r"<script\b.*?(?:</script\s*>|\Z)|<style\b.*?(?:</style\s*>|\Z)|<!--.*?(?:-->|\Z)|<[^<>]*>",
    re.DOTALL | re.IGNORECASE,
)


def strip_html(left: object) -> str:
    """The text without tags, comments, scripts and styles.

    python-liquid's own goes through an HTML parser that takes quadratic time on unclosed tags.
    """
    stripped = _MARKUP.sub("", str(left))
    return Markup(stripped) if isinstance(left, Markup) else stripped


def utc_date(original: Filter) -> Filter:
    """Liquid's ``date``, reading ISO 8601 first, and in UTC wherever no offset is given."""

    def date(left: object, form: object = "", *, environment: object) -> object:
        return original(_moment(left), form, environment=environment)

    date.with_environment = True  # type: ignore[attr-defined] # how python-liquid finds out
    return date


def _moment(left: object) -> object:
    if left in ("now", "today"):
        return datetime.now(UTC)
    if isinstance(left, int) or (isinstance(left, str) and left.isdecimal()):
        return datetime.fromtimestamp(int(left), UTC)
    if isinstance(left, str):
        try:
            return datetime.fromisoformat(left)
        except ValueError:
            return left
    return left

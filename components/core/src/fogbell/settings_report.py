"""What is wrong with the settings, in sentences: the variable, what was expected, what came.

A value is repeated only where it failed as a number, a yes or no, or a word of a list: secrets are
none of these.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches

from pydantic import BaseModel
from pydantic_core import ErrorDetails
from pydantic_settings import SettingsError

PREFIX = "FOGBELL_"
DELIMITER = "__"
MANUAL = "docs/settings.md says what it is for."

_SHORT = {
    f"{PREFIX}{group}{DELIMITER}URI": f"{PREFIX}{group}_URI" for group in ("MONGODB", "RABBITMQ")
}
_SHOWN_KINDS = ("int_", "float_", "bool_", "literal_error", "enum", "greater_than", "less_than")
_LONGEST_SHOWN = 80
_SIMILAR = 0.85


def describe(problem: ErrorDetails) -> str:
    """One wrong setting. Repeats its value only where that cannot be a secret."""
    kind, expected = problem["type"], problem["msg"].removeprefix("Value error, ")
    if not problem["loc"]:
        return expected
    name = variable(problem["loc"])
    if kind == "missing":
        return f"{_SHORT.get(name, name)} is not set. Set it; {MANUAL}"
    if kind == "extra_forbidden":
        return f"{name} is no setting of this group. Look for a slip in its name."
    came = _came(problem)
    return f"{name} is wrong: {expected}{came}. {MANUAL}"


def unreadable(error: SettingsError) -> str:
    """A list or a whole group that is not JSON; the error names the setting, not its value."""
    named = re.search(r'field "(\w+)"', str(error))
    name = PREFIX + (named.group(1).upper() if named else "")
    return f'{name} or a variable of that group is no JSON: lists are written as ["a", "b"].'


def variable(location: tuple[int | str, ...]) -> str:
    """The variable that a place in the settings is read from; items of a list share one."""
    names: list[str] = []
    for part in location:
        if isinstance(part, int):
            break
        names.append(part)
    return PREFIX + DELIMITER.join(names).upper()


def slips(kind: type[BaseModel], given: Iterable[str]) -> dict[str, str]:
    """Variables that are no setting of ``kind`` but look like one, and which.

    Those of other components are let be: several components often share one environment.
    """
    groups = _names(kind)
    known = {PREFIX + DELIMITER.join(path): path for path in _paths(groups)}
    leaves = {path[-1]: name for name, path in known.items()}
    found: dict[str, str] = {}
    for name in sorted(given):
        if not name.startswith(PREFIX) or name in known or name in _SHORT.values():
            continue
        bare = name.removeprefix(PREFIX)
        if bare in groups:
            continue  # a whole group as JSON
        head, delimiter, rest = bare.partition(DELIMITER)
        if delimiter:
            similar = get_close_matches(head, groups, 1, _SIMILAR) if head not in groups else []
            meant = f"{PREFIX}{similar[0]}{DELIMITER}{rest}" if similar else None
        else:
            meant = _similar(bare, leaves) or _similar(bare, {n[len(PREFIX) :]: n for n in known})
        if meant:
            found[name] = meant
    return found


def _similar(name: str, candidates: Mapping[str, str]) -> str | None:
    close = get_close_matches(name, candidates, 1, _SIMILAR)
    return candidates[close[0]] if close else None


def _came(problem: ErrorDetails) -> str:
    value = str(problem.get("input", ""))
    if not value or not problem["type"].startswith(_SHOWN_KINDS):
        return ""
    return f", not {value[:_LONGEST_SHOWN]!r}"


def _names(kind: type[BaseModel]) -> dict[str, list[str]]:
    """Top-level names in upper case, and the names within each where it is a group."""
    return {
        name.upper(): _group_names(field.annotation) for name, field in kind.model_fields.items()
    }


def _group_names(annotation: object) -> list[str]:
    for candidate in (annotation, *getattr(annotation, "__args__", ())):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return [name.upper() for name in candidate.model_fields]
    return []


def _paths(groups: Mapping[str, list[str]]) -> Iterator[tuple[str, ...]]:
    for group, names in groups.items():
        if not names:
            yield (group,)
        for name in names:
            yield group, name

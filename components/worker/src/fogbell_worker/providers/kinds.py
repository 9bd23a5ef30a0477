"""The kinds of providers that are installed: entry points of one group."""

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from fogbell_worker.providers.interface import ProviderKind

GROUP = "fogbell.providers"


class UnknownKindError(ValueError):
    """No installed package offers this kind of provider."""

    def __init__(self, kind: str) -> None:
        known = ", ".join(sorted(_found())) or "nothing"
        super().__init__(f"no kind of provider is called {kind!r}; installed: {known}")


class BadKindError(ValueError):
    """An entry point of the group cannot be loaded, or names no `ProviderKind`."""


@cache
def load_kind(kind: str) -> ProviderKind[Any]:
    """The kind of that name. Raises `UnknownKindError` and `BadKindError`."""
    entry = _found().get(kind)
    if entry is None:
        raise UnknownKindError(kind)
    try:
        value = entry.load()
    except Exception as error:
        raise BadKindError(f"{entry.value} cannot be loaded: {error!r}") from error
    if not isinstance(value, ProviderKind):
        raise BadKindError(f"{entry.value} is a {type(value).__name__}, not a ProviderKind")
    return value


def _found() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUP)}

"""What both clients have in common besides their calls."""

import inspect
from collections.abc import Callable
from importlib.metadata import version
from typing import Any, TypedDict, TypeVar
from urllib.parse import urlsplit

F = TypeVar("F", bound=Callable[..., object])

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Options(TypedDict):
    """Arguments of httpx2's clients."""

    headers: dict[str, str]
    trust_env: bool


def options(url: str, secret: str) -> Options:
    """How to speak to ``url``; raises ValueError for what is no server or no secret."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"expected an http or https URL, got {url!r}")
    if not (secret and secret.isascii() and secret.isprintable()):
        raise ValueError("expected a secret of printable ASCII, got something else (not shown)")
    return {
        "headers": {
            "Authorization": f"Bearer {secret}",
            "User-Agent": f"fogbell-client/{version('fogbell-client')}",
        },
        # The environment's proxies are for the outside, and never meant for a loopback address.
        "trust_env": parts.hostname not in _LOOPBACK,
    }


def dressed(method: F, build: Callable[..., Any]) -> F:
    """``method`` with the name, the text and the parameters of what builds its call."""
    method.__name__ = method.__qualname__ = build.__name__
    method.__doc__ = build.__doc__
    inner = inspect.signature(build)
    client = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    method.__signature__ = inner.replace(  # type: ignore[attr-defined]
        parameters=[client, *inner.parameters.values()],
        return_annotation=inspect.Signature.empty,
    )
    return method

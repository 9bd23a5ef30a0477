"""A request as a value: what both clients send, and how an answer becomes its result."""

import json
from collections.abc import AsyncIterable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Generic, Protocol, Self, TypeVar, runtime_checkable
from urllib.parse import quote
from uuid import UUID

import httpx2

from fogbell_client.errors import from_response
from fogbell_client.retrying import Repeat

T_co = TypeVar("T_co", covariant=True)
Id = str | UUID


@runtime_checkable
class Readable(Protocol):
    """A file opened for reading bytes."""

    def read(self, size: int, /) -> bytes:
        """At most ``size`` bytes, none at the end."""
        ...


Source = bytes | Path | Readable | Iterable[bytes] | AsyncIterable[bytes]
"""Where an upload is read from. Only the asynchronous client takes an `AsyncIterable`."""

CHUNK = 64 * 1024
"""Bytes that are read from a file at once."""

TIMEOUT, UPLOAD_TIMEOUT, CONNECT_TIMEOUT = 30.0, 120.0, 5.0
"""Seconds without any progress after which a request is lost."""

STREAM_TIMEOUT = 60.0
"""The same for a live stream: longer than its heartbeats are apart, 15 s by default."""


@dataclass(frozen=True, slots=True)
class Call(Generic[T_co]):
    """One request whose result is a ``T_co``; the functions of `fogbell_client.calls` build them.

    ``path`` is percent-encoded already.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    content: Source | None = None
    repeat: Repeat = Repeat.ALWAYS
    timeout: float = TIMEOUT

    def after(self, cursor: str) -> Self:
        """The same list, from behind ``cursor``: a page's ``next``."""
        return replace(self, query={**self.query, "after": cursor})


def path(*segments: object) -> str:
    """``/v1/...`` with every segment percent-encoded, slashes included."""
    return "/v1/" + "/".join(_segment(str(segment)) for segment in segments)


def _segment(text: str) -> str:
    # "." and ".." are ids as good as others, but a URL would be normalised by them.
    return text.replace(".", "%2E") if text in (".", "..") else quote(text, safe="")


def query(**given: object) -> dict[str, str]:
    """A query of what is not None."""
    return {name: _word(value) for name, value in given.items() if value is not None}


def _word(value: object) -> str:
    return _plain(value) if isinstance(value, datetime) else str(value)


def encode(body: Mapping[str, Any]) -> bytes:
    """``body`` as JSON. Raises TypeError and ValueError for what JSON cannot say."""
    return json.dumps(body, default=_plain, ensure_ascii=False, allow_nan=False).encode()


def _plain(value: object) -> Any:
    match value:
        case datetime():
            if value.tzinfo is None:
                raise ValueError(f"expected a time with a time zone, got {value!r}")
            return value.isoformat()
        case UUID():
            return str(value)
        case Mapping():
            return dict(value)
        case set() | frozenset():
            return sorted(value)
    raise TypeError(f"JSON cannot say {value!r}")


def chunks(source: Source) -> bytes | Iterable[bytes] | AsyncIterable[bytes]:
    """What httpx2 sends of ``source``; a `Path` is opened anew by each call."""
    if isinstance(source, Path):
        return _read_path(source)
    return _read(source) if isinstance(source, Readable) else source


def _read_path(file: Path) -> Iterator[bytes]:
    with file.open("rb") as source:
        yield from _read(source)


def _read(source: Readable) -> Iterator[bytes]:
    while chunk := source.read(CHUNK):
        yield chunk


def document(response: httpx2.Response) -> Any:
    """The document of a success, None without one; raises `ProblemError` for no JSON."""
    if not response.content:
        return None
    try:
        return response.json()
    except ValueError:
        raise from_response(response) from None

"""Structured logs on standard error: one JSON object a line, for our own and for libraries' lines.

Logs carry delivery, notification and request ids, never addresses or content. Masking what looks
like an address or a secret is the last line of defence, not the first.
"""

import json
import logging
import re
import sys
import traceback
from collections.abc import Mapping, MutableMapping
from pathlib import PurePath
from typing import Any

import structlog

from fogbell.telemetry import traces

MASK = "[masked]"
# Repetitions are bounded, for a line may hold a long text and unbounded ones take quadratic time.
_SENSITIVE = re.compile(
    r"(?<=://)[^/\s@]{1,512}(?=@)"  # user and password in a URI
    r"|[\w.+%'-]{1,64}@[\w-][\w.-]{0,252}"  # an e-mail address, also at a name without a dot
    r"|\b(?:fbk|whsec|fbi)_[\w+/=.-]{8,}"  # API keys, webhook secrets, inbox tokens
    r"|\+[1-9]\d{6,14}(?!\d)"  # a telephone number in E.164 form
)
_NEVER = frozenset(
    {"address", "addresses", "authorization", "body", "content", "data", "email", "html"}
    | {"password", "phone", "recipient", "recipient_id", "secret", "secrets", "subject", "text"}
)
"""Fields that are masked whatever they hold: content and people have no place in a log."""

_DEEPEST = 8

_QUIET = (
    *("aio_pika", "aiormq", "httpcore2", "httpx2", "motor", "pymongo", "asyncio"),
    *("opentelemetry", "urllib3"),
)
"""Their info and debug lines name hosts and URLs, or say nothing that our own do not."""

_STRANGERS = ("opentelemetry.trace", "opentelemetry.util.re")
"""They warn of each wrong ``traceparent``, which anybody can send, and quote headers, which may
hold a key: only their errors are written."""

_REPEATER = "opentelemetry"
_REPEAT_SECONDS = 60.0
"""A collector that is away would have the repeater tell of each batch, every few seconds: each of
its messages is written once in so many seconds."""

Event = MutableMapping[str, Any]


def configure_logging(component: str, level: str, fmt: str) -> None:
    """Send everything to standard error: ``fmt`` is ``json`` or ``console``."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        trace_ids,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _component(component),
        places,
        mask,
    ]
    renderer: structlog.typing.Processor = (
        _as_json
        if fmt == "json"
        else structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    )
    # Our own lines take the short way: by the standard library's records, handlers and formatters
    # a line costs twice as much, and each request has one.
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=_Writer,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    handler.addFilter(_Seldom())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    for name in _STRANGERS:
        logging.getLogger(name).setLevel(max(logging.ERROR, root.level))


# Made once: structlog's own renderer makes an encoder for each line.
_JSON = json.JSONEncoder(sort_keys=True, default=repr)


def _as_json(_logger: object, _method: str, event: Event) -> str:
    return _JSON.encode(event)


class _Seldom(logging.Filter):
    """Lets a message of `_REPEATER` through unless it was written lately.

    Threads come here unlocked, so each step is one that no other can break. Messages count without
    what is filled in: there are as many as the library's code has lines that log.
    """

    def __init__(self) -> None:
        super().__init__(_REPEATER)
        self._written: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether it is to be written."""
        if not super().filter(record):  # it is another library's
            return True
        message = str(record.msg)
        last = self._written.get(message)
        if last is not None and 0 <= record.created - last < _REPEAT_SECONDS:
            return False
        self._written[message] = record.created
        return True


class _Writer(structlog.WriteLogger):
    """Writes to standard error, under a name."""

    def __init__(self, name: str) -> None:
        super().__init__(sys.stderr)
        self.name = name


def trace_ids(_logger: object, _method: str, event: Event) -> Event:
    """Say within which span a line was written, in hexadecimal digits as traces show them."""
    here = traces.here()
    if here is not None:
        event["trace_id"] = format(here.trace_id, "032x")
        event["span_id"] = format(here.span_id, "016x")
    return event


def places(_logger: object, _method: str, event: Event) -> Event:
    """Say of an exception what it is and where it was raised, never its text.

    A driver's message quotes the document that it refused: people and content.
    """
    info = event.pop("exc_info", None)
    error = sys.exc_info()[1] if info is True else info[1] if isinstance(info, tuple) else info
    if isinstance(error, BaseException):
        event["error"] = type(error).__qualname__
        event["at"] = raised_at(error)
    return event


def raised_at(error: BaseException) -> list[str]:
    """Where it was raised, innermost last: ``file.py:line function``."""
    frames = traceback.extract_tb(error.__traceback__)[-8:]
    return [f"{PurePath(f.filename).name}:{f.lineno} {f.name}" for f in frames]


def mask(_logger: object, _method: str, event: Event) -> Event:
    """Mask what looks like an address or a secret, however deep in a line it stands."""
    for name, value in event.items():
        if name in _NEVER:
            event[name] = MASK
        elif not name.startswith("_"):  # structlog's own, such as the LogRecord
            event[name] = _masked(value, 0)
    return event


def _masked(value: object, depth: int) -> object:
    if isinstance(value, str):
        return _SENSITIVE.sub(MASK, value) if _may_be_sensitive(value) else value
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if depth == _DEEPEST:
        return MASK
    if isinstance(value, Mapping):
        return {
            str(_masked(str(name), depth)): MASK if name in _NEVER else _masked(item, depth + 1)
            for name, item in value.items()
        }
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_masked(item, depth + 1) for item in value]
    return _SENSITIVE.sub(MASK, str(value))


def _may_be_sensitive(text: str) -> bool:
    """Whether `_SENSITIVE` can match at all. Most texts are ids and times, and to see at a glance
    that nothing of it is there takes a thirtieth of the search.
    """
    return "@" in text or "+" in text or "fbk_" in text or "whsec_" in text or "fbi_" in text


def _component(component: str) -> structlog.typing.Processor:
    def add(_logger: object, _method: str, event: Event) -> Event:
        event["component"] = component
        return event

    return add

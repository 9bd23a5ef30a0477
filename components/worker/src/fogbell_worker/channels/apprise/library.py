"""All that touches Apprise: what it knows, and one target of one service.

Apprise is made to do what it is told once, and nothing besides: no retries, no redirects, no
pauses between requests, no files, no proxy or login from the environment, no logs. What an
address's own parameters say of these is overridden.
"""

import logging
import os
import re
import threading
import warnings
from dataclasses import dataclass
from functools import cache
from typing import Any

import apprise
from apprise.manager_plugins import NotificationManager

_NAME_HOSTS = frozenset({"bluesky", "bsky", "nostr"})
"""Schemes that reach a host which the address leads to, although their templates name none."""

_STATUS = re.compile(r"\berror=([1-5][0-9]{2})(?:[0-9]{2})?\b")  # ntfy: 42901


class BadTargetError(ValueError):
    """Apprise cannot read the URL, or it asks for what is not served. Holds nothing of the URL."""


class AskedToWaitError(Exception):
    """The service asks to be left alone for ``seconds``; Apprise would have slept."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds for one connection, and for a silence after it."""

    connect: float
    read: float


@dataclass(frozen=True, slots=True)
class Said:
    """All that Apprise tells: yes or no, and the HTTP status where a plugin has logged one."""

    accepted: bool
    status: str | None = None


def leave_environment() -> None:
    """Have requests use neither a proxy nor a ``.netrc``: it can be told in no other way."""
    os.environ.update(NO_PROXY="*", no_proxy="*", NETRC=os.devnull)


@cache
def schemes() -> frozenset[str]:
    """Every scheme that can be served here."""
    return frozenset(_manager().schemas(include_disabled=False))


def names_host(scheme: str) -> bool:
    """Whether the address says which host is reached: then whoever stores one decides."""
    templates: tuple[str, ...] = _manager()[scheme].templates or ()
    return scheme in _NAME_HOSTS or any("{host}" in template for template in templates)


class Target:
    """One target of one service, for one send."""

    def __init__(self, scheme: str, url: str, limits: Limits) -> None:
        """Raises `BadTargetError`. ``scheme`` is that of the URL, and one of `schemes`."""
        self._plugin = _plugin(scheme, url)
        # On the instance, after its constructor: whatever its parameters said, this stands.
        vars(self._plugin).update(
            socket_connect_timeout=limits.connect,
            socket_read_timeout=limits.read,
            redirects=False,
            verify_certificate=True,
            request_rate_per_sec=0,
            throttle=_throttle,
            retry=0,
            overflow_mode=apprise.OverflowMode.UPSTREAM,
        )
        if any(isinstance(v, apprise.AppriseAttachment) and v for v in vars(self._plugin).values()):
            raise BadTargetError("a parameter names a file")
        if len(self._plugin) > 1:
            raise BadTargetError("it names several targets: store one for each recipient")

    def too_large(self, title: str, body: str) -> str | None:
        """Why the service does not take so much, or None; lengths are in characters."""
        longest_title, longest = self._plugin.title_maxlen, self._plugin.body_maxlen
        if title and longest_title > 0:
            if len(title) > longest_title:
                return f"a title of {len(title)} characters; at most {longest_title} fit"
        elif title:
            body = f"{title}\r\n{body}"  # as Apprise joins them where there are no titles
        return f"{len(body)} characters; at most {longest} fit" if len(body) > longest else None

    def send(self, title: str, body: str) -> Said:
        """Send once; blocks. Raises `AskedToWaitError`, and whatever a plugin does not catch."""
        _seen.status = None
        accepted = self._plugin.notify(
            body=body, title=title, notify_type=apprise.NotifyType.INFO, body_format="text"
        )
        return Said(bool(accepted), _seen.status)


@cache
def _manager() -> Any:
    _silence()
    manager = NotificationManager()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some plugins import what the standard library will drop
        manager.load_modules()
    return manager


def _plugin(scheme: str, url: str) -> Any:
    # Not `Apprise.instantiate(url)`: where it takes a scheme for another than we did, it asks all
    # plugins whether they know such a URL.
    try:
        found = _manager()[scheme].parse_url(url.replace("/#", "/%23"))
        plugin = None
        if found and found.get("schema") == scheme:
            plugin = apprise.Apprise.instantiate(found, asset=_asset(), suppress_exceptions=False)
    except Exception as error:
        raise BadTargetError("Apprise cannot read it") from error
    if plugin is None:
        raise BadTargetError("Apprise cannot read it")
    return plugin


@cache
def _asset() -> Any:
    return apprise.AppriseAsset(
        app_id="Fogbell",
        app_desc="Fogbell",
        image_url_mask="",
        image_url_logo="",
        async_mode=False,
        http_redirects=False,
        storage_mode=apprise.PersistentStoreMode.MEMORY,
        interpret_emojis=False,
        pem_autogen=False,
        pgp_autogen=False,
        allow_templates=False,
    )


def _throttle(last_io: object = None, wait: float | None = None) -> None:  # noqa: ARG001
    """In place of Apprise's, which sleeps."""
    if wait:
        raise AskedToWaitError(wait)


class _Seen(threading.local):
    status: str | None = None


_seen = _Seen()


class _Statuses(logging.Handler):
    """Takes the HTTP status out of Apprise's lines, and drops the lines: they hold URLs."""

    def emit(self, record: logging.LogRecord) -> None:
        found = _STATUS.search(record.getMessage())
        if found:
            _seen.status = found[1]

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002, N802
        return None


def _silence() -> None:
    """Apprise logs what it was given, tokens included, and urllib3 the paths of requests."""
    ours = logging.getLogger("apprise")
    ours.handlers, ours.propagate = [_Statuses()], False
    ours.setLevel(logging.WARNING)
    for name in ("urllib3", "requests"):
        logging.getLogger(name).setLevel(logging.CRITICAL)

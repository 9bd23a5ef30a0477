"""Access tokens for FCM: cached, fetched anew ahead of their end, one fetch at a time.

google-auth signs the assertion (RFC 7523, RS256) and asks the account's ``token_uri``; it blocks,
so it does so in a thread. Source: "Using OAuth 2.0 for server to server applications"
(https://developers.google.com/identity/protocols/oauth2/service-account).
"""

import asyncio
import contextlib
import re
import ssl
import time
from collections.abc import Mapping
from datetime import UTC, datetime

import httpcore2
from google.auth.exceptions import RefreshError
from google.auth.transport import DEFAULT_RETRYABLE_STATUS_CODES, Request, Response
from google.oauth2.service_account import Credentials

REFRESH_AHEAD = 300.0
"""Seconds before its end at which a token is replaced, while it still serves. They live an hour."""

_USABLE = 10.0
"""Seconds that a token must have left to be worth sending."""

_PAUSE = 5.0
"""Seconds after a failed fetch in which no other is made."""

_FETCH_SECONDS = 5.0
"""For each of connecting, writing and reading."""

_OAUTH_ERROR = re.compile(r"[a-z_]{3,40}")
"""RFC 6749's word for what is wrong (``invalid_grant``): all that is told of an answer."""


class TokenError(Exception):
    """No access token could be had; the message names the kind of failure and nothing else."""


class AccessTokens:
    """The tokens of one service account. To be used within one event loop."""

    def __init__(
        self, credentials: Credentials, trust: ssl.SSLContext, *, pause: float = _PAUSE
    ) -> None:
        self._credentials = credentials
        self._transport = _Transport(trust)
        self._pause = pause
        self._token = ""
        self._ends_at = 0.0
        self._rests_until = 0.0
        self._failure = "no token yet"
        self._fetch: asyncio.Task[None] | None = None

    async def get(self) -> str:
        """A token that is good for some seconds at least. Raises `TokenError`.

        While one is being replaced the old one serves; only without any does this wait.
        """
        if self._left() < REFRESH_AHEAD:
            self._begin_fetch()
        if self._left() <= _USABLE and self._fetch is not None:
            # a send that runs out of time must not end the fetch that others wait for
            await asyncio.shield(self._fetch)
        if self._left() <= _USABLE:
            raise TokenError(self._failure)
        return self._token

    def refused(self, token: str) -> None:
        """Forget a token that was not taken, unless it has been replaced already."""
        if token == self._token:
            self._ends_at = 0.0

    async def close(self) -> None:
        """Stop waiting: a fetch under way ends in its thread, by its own time limits."""
        if self._fetch is not None:
            self._fetch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._fetch

    def _left(self) -> float:
        return self._ends_at - time.monotonic()

    def _begin_fetch(self) -> None:
        resting = time.monotonic() < self._rests_until
        if not resting and (self._fetch is None or self._fetch.done()):
            self._fetch = asyncio.create_task(self._fetch_once())

    async def _fetch_once(self) -> None:
        try:
            token, lifetime = await asyncio.to_thread(self._fetch_blocking)
        except Exception as error:
            self._failure = _kind(error)
            self._rests_until = time.monotonic() + self._pause
        else:
            self._token, self._ends_at = token, time.monotonic() + lifetime

    def _fetch_blocking(self) -> tuple[str, float]:
        credentials = self._credentials
        credentials.refresh(self._transport)  # type: ignore[no-untyped-call] # google-auth has no types
        if not isinstance(credentials.token, str) or credentials.expiry is None:
            raise TokenError("the answer held no token, or one without an end")
        # google-auth's times are UTC without saying so
        ends_at = credentials.expiry.replace(tzinfo=UTC)
        return credentials.token, (ends_at - datetime.now(UTC)).total_seconds()


def _kind(error: Exception) -> str:
    """What an operator can act on; a text of its own may hold the answer's body."""
    if isinstance(error, TokenError):
        return str(error)
    text = str(error.args[0]) if isinstance(error, RefreshError) and error.args else ""
    word = _OAUTH_ERROR.match(text)
    return word[0] if word else type(error).__name__


class _Answer(Response):
    """What google-auth reads of an answer."""

    def __init__(self, answer: httpcore2.Response) -> None:
        self._answer = answer

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self._answer.status

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers by name."""
        return {name.decode("latin-1"): v.decode("latin-1") for name, v in self._answer.headers}

    @property
    def data(self) -> bytes:
        """The body."""
        return self._answer.content


class _Transport(Request):
    """google-auth's way to the network: no environment, no proxy, no redirect.

    A status that google-auth would try again, sleeping in between, is an error here: when to try
    again is the retry policy's to say.
    """

    def __init__(self, trust: ssl.SSLContext) -> None:
        self._trust = trust

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **_: object,
    ) -> Response:
        """One request, on a connection of its own: they are an hour apart."""
        limit = timeout or _FETCH_SECONDS
        limits = dict.fromkeys(("connect", "write", "read", "pool"), limit)
        with httpcore2.ConnectionPool(ssl_context=self._trust) as pool:
            answer = pool.request(
                method,
                url,
                headers=[*(headers or {}).items()],
                content=body,
                extensions={"timeout": limits},
            )
        if answer.status in DEFAULT_RETRYABLE_STATUS_CODES:
            raise TokenError(f"HTTP {answer.status}")
        return _Answer(answer)

"""One HTTP exchange: post a body, take the status, drop the rest."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncGenerator, Mapping
from datetime import UTC, datetime

import httpcore2
import httpx2

from fogbell.model.outcome import Outcome, Reply
from fogbell_worker.channels.webhook.classify import classify_failure, classify_status
from fogbell_worker.channels.webhook.guard import Guard, GuardedBackend, Resolve
from fogbell_worker.channels.webhook.settings import WebhookSettings

_KEEPALIVE = 4.0
"""Seconds an idle connection is kept: below the 5 s after which common servers close theirs, so
that a post seldom meets a connection that is being closed."""

_DRAIN = 1.0
"""Seconds spent on an answer's body: its status is known, only the connection's reuse is won."""


class _Body:
    """A request body that knows whether the connection has begun to take it."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.handed_over = False

    async def __aiter__(self) -> AsyncGenerator[bytes]:
        self.handed_over = True
        yield self.content


class WebhookClient:
    """A pool of guarded connections, without proxy, redirects, cookies or environment.

    It is httpcore's pool rather than httpx's client, because only the former takes a network
    backend (`GuardedBackend`), and because the latter logs every URL. Connections are pooled by
    host name: one is never used for a name that its certificate was not checked for.
    """

    def __init__(self, settings: WebhookSettings, resolve: Resolve) -> None:
        self._settings = settings
        guard = Guard(resolve, settings.allow_networks, settings.allowed_ports)
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=_trust(settings),
            max_connections=settings.connections,
            keepalive_expiry=_KEEPALIVE,
            network_backend=GuardedBackend(guard),
        )

    async def post(self, url: str, headers: Mapping[str, str], content: bytes) -> Reply:
        """Post ``content`` once; ends within `send_timeout`. Raises only on cancellation."""
        try:
            target = httpx2.URL(url)
        except httpx2.InvalidURL:
            return Reply(Outcome.PERMANENT, reason="bad_address", detail="not a URL")
        if target.scheme != "https" and not (self._settings.allow_http and target.scheme == "http"):
            detail = "plain http is not allowed by this worker's settings"
            return Reply(Outcome.PERMANENT, reason="http_refused", detail=detail)
        body = _Body(content)
        try:
            return await self._exchange(self._request(target, headers, body))
        except Exception as error:  # every ending is a reply
            return classify_failure(error, handed_over=body.handed_over)

    async def close(self) -> None:
        """Close every connection."""
        await self._pool.aclose()

    def _request(
        self, url: httpx2.URL, headers: Mapping[str, str], body: _Body
    ) -> httpcore2.Request:
        own = {
            "user-agent": self._settings.user_agent,
            "content-length": str(len(body.content)),
        }
        given = [(name.encode(), value.encode()) for name, value in {**own, **headers}.items()]
        return httpcore2.Request(
            b"POST",
            httpcore2.URL(
                scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
            ),
            headers=[(b"host", url.netloc), *given],
            content=body,
            extensions={"timeout": {"connect": self._settings.connect_timeout}},
        )

    async def _exchange(self, request: httpcore2.Request) -> Reply:
        deadline = asyncio.get_running_loop().time() + self._settings.send_timeout
        async with asyncio.timeout_at(deadline):
            response = await self._pool.handle_async_request(request)
        await self._drop_body(response, deadline)
        headers = {name.lower(): value for name, value in response.headers}
        retry_after = headers.get(b"retry-after", b"").decode("latin-1")
        return classify_status(response.status, retry_after, datetime.now(UTC))

    async def _drop_body(self, response: httpcore2.Response, deadline: float) -> None:
        """Read what is short, so that the connection can be kept; give up the rest."""
        until = min(deadline, asyncio.get_running_loop().time() + _DRAIN)
        left = self._settings.max_response_bytes
        # the answer's status stands, however its body ends
        with contextlib.suppress(Exception):
            try:
                async with (
                    asyncio.timeout_at(until),
                    contextlib.aclosing(response.aiter_stream()) as chunks,
                ):
                    async for chunk in chunks:
                        left -= len(chunk)
                        if left < 0:
                            break
            finally:
                await response.aclose()


def _trust(settings: WebhookSettings) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if settings.ca_file is not None:
        context.load_verify_locations(settings.ca_file)
    return context

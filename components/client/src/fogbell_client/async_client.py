"""The asyncio clients: `AsyncFogbell` for an API key, `AsyncInbox` for a recipient's token."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar, cast

import httpx2

from fogbell_client import calls, endpoint_calls, inbox_calls
from fogbell_client.call import CONNECT_TIMEOUT, Call, chunks, document
from fogbell_client.connection import dressed, options
from fogbell_client.documents import Page
from fogbell_client.errors import from_response
from fogbell_client.retrying import FAILURES, OnRetry, RetryPolicy, Tries
from fogbell_client.streaming import InboxStream

P = ParamSpec("P")
T = TypeVar("T")


class AsyncClient:
    """Runs calls. Close it, or use it in an ``async with`` statement."""

    def __init__(
        self,
        url: str,
        secret: str,
        *,
        retries: RetryPolicy = RetryPolicy(),  # noqa: B008 - frozen
        on_retry: OnRetry | None = None,
    ) -> None:
        """``secret``: an API key or a token. ``on_retry`` hears of each failure that is retried."""
        self.url = url.rstrip("/")
        self._retries = retries
        self._on_retry = on_retry
        self._http = httpx2.AsyncClient(**options(self.url, secret))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def run(self, call: Call[T]) -> T:
        """Send ``call`` until it is answered; its result, or a `FogbellError`."""
        return cast("T", document(await self._answer(call)))

    async def _answer(self, call: Call[object], *, stream: bool = False) -> httpx2.Response:
        tries = Tries(self.url, self._retries, call.repeat, self._on_retry)
        while True:
            try:
                response = await self._http.send(self._request(call), stream=stream)
                if response.is_success:
                    return response
                await response.aread()
                raise from_response(response)
            except FAILURES as error:
                pause = tries.pause(error)
            await asyncio.sleep(pause)

    async def every(self, call: Call[Page[T]]) -> AsyncIterator[T]:
        """The items of a list, page after page, read as they are taken."""
        while True:
            page = await self.run(call)
            for item in page["items"]:
                yield item
            if page["next"] is None:
                return
            call = call.after(page["next"])

    def _request(self, call: Call[object]) -> httpx2.Request:
        content = None if call.content is None else chunks(call.content)
        if isinstance(content, Iterable) and not isinstance(content, bytes):
            content = _taken(content)
        timeout = httpx2.Timeout(call.timeout, connect=CONNECT_TIMEOUT)
        return self._http.build_request(
            call.method,
            self.url + call.path,
            params=call.query,
            headers=call.headers,
            content=content,
            timeout=timeout,
        )


async def _taken(source: Iterable[bytes]) -> AsyncIterator[bytes]:
    """``source`` read in a thread: a slow disk must not hold up the loop."""
    chunks = iter(source)
    while (chunk := await asyncio.to_thread(next, chunks, None)) is not None:
        yield chunk


def _method(
    build: Callable[P, Call[T]],
) -> Callable[Concatenate[AsyncClient, P], Coroutine[Any, Any, T]]:
    async def method(client: AsyncClient, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await client.run(build(*args, **kwargs))

    return dressed(method, build)


def _list(
    build: Callable[P, Call[Page[T]]],
) -> Callable[Concatenate[AsyncClient, P], AsyncIterator[T]]:
    def method(client: AsyncClient, /, *args: P.args, **kwargs: P.kwargs) -> AsyncIterator[T]:
        return client.every(build(*args, **kwargs))

    return dressed(method, build)


class AsyncFogbell(AsyncClient):
    """Everything that an API key may do. Lists are asynchronous iterators over all their pages."""

    post = _method(calls.post)
    post_batch = _method(calls.post_batch)
    notifications = _list(calls.notifications)
    notification = _method(calls.notification)
    cancel = _method(calls.cancel)
    replay = _method(calls.replay)
    deliveries = _list(calls.deliveries)
    delivery = _method(calls.delivery)
    put_recipient = _method(calls.put_recipient)
    recipient = _method(calls.recipient)
    patch_recipient = _method(calls.patch_recipient)
    recipients = _list(calls.recipients)
    recipient_deliveries = _list(calls.recipient_deliveries)
    delete_recipient = _method(calls.delete_recipient)
    import_recipients = _method(calls.import_recipients)
    create_inbox_token = _method(calls.create_inbox_token)
    put_template = _method(calls.put_template)
    templates = _list(calls.templates)
    template = _method(calls.template)
    preview_template = _method(calls.preview_template)
    suppress = _method(calls.suppress)
    suppression = _method(calls.suppression)
    delete_suppression = _method(calls.delete_suppression)
    create_api_key = _method(calls.create_api_key)
    api_keys = _list(calls.api_keys)
    delete_api_key = _method(calls.delete_api_key)
    create_endpoint = _method(endpoint_calls.create_endpoint)
    endpoints = _list(endpoint_calls.endpoints)
    endpoint = _method(endpoint_calls.endpoint)
    delete_endpoint = _method(endpoint_calls.delete_endpoint)


class AsyncInbox(AsyncClient):
    """A recipient's own inbox, opened by a token (``fbi_...``)."""

    items = _list(inbox_calls.inbox)
    mark_seen = _method(inbox_calls.mark_seen)
    mark_read = _method(inbox_calls.mark_read)
    archive = _method(inbox_calls.archive)

    def stream(self, *, last_event_id: str | None = None) -> InboxStream:
        """New items, live, from now on, or from where an earlier stream was."""
        return InboxStream(lambda call: self._answer(call, stream=True), last_event_id)

"""The blocking clients: `Fogbell` for an API key, `Inbox` for a recipient's token."""

import time
from collections.abc import AsyncIterable, Callable, Iterator
from types import TracebackType
from typing import Concatenate, ParamSpec, Self, TypeVar, cast

import httpx2

from fogbell_client import calls, endpoint_calls, inbox_calls
from fogbell_client.call import CONNECT_TIMEOUT, Call, chunks, document
from fogbell_client.connection import dressed, options
from fogbell_client.documents import Page
from fogbell_client.errors import from_response
from fogbell_client.retrying import FAILURES, OnRetry, RetryPolicy, Tries

P = ParamSpec("P")
T = TypeVar("T")


class Client:
    """Runs calls. Safe to share between threads; close it, or use it in a ``with`` statement."""

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
        self._http = httpx2.Client(**options(self.url, secret))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def run(self, call: Call[T]) -> T:
        """Send ``call`` until it is answered; its result, or a `FogbellError`."""
        tries = Tries(self.url, self._retries, call.repeat, self._on_retry)
        while True:
            try:
                response = self._http.send(self._request(call))
                if response.is_success:
                    return cast("T", document(response))
                raise from_response(response)
            except FAILURES as error:
                pause = tries.pause(error)
            time.sleep(pause)  # as the answer asked, or to leave a troubled server alone

    def every(self, call: Call[Page[T]]) -> Iterator[T]:
        """The items of a list, page after page, read as they are taken."""
        while True:
            page = self.run(call)
            yield from page["items"]
            if page["next"] is None:
                return
            call = call.after(page["next"])

    def _request(self, call: Call[object]) -> httpx2.Request:
        content = None if call.content is None else chunks(call.content)
        if isinstance(content, AsyncIterable):
            raise TypeError("expected an iterable: an AsyncIterable needs the AsyncFogbell")
        timeout = httpx2.Timeout(call.timeout, connect=CONNECT_TIMEOUT)
        return self._http.build_request(
            call.method,
            self.url + call.path,
            params=call.query,
            headers=call.headers,
            content=content,
            timeout=timeout,
        )


def _method(build: Callable[P, Call[T]]) -> Callable[Concatenate[Client, P], T]:
    def method(client: Client, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return client.run(build(*args, **kwargs))

    return dressed(method, build)


def _list(build: Callable[P, Call[Page[T]]]) -> Callable[Concatenate[Client, P], Iterator[T]]:
    def method(client: Client, /, *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        return client.every(build(*args, **kwargs))

    return dressed(method, build)


class Fogbell(Client):
    """Everything that an API key may do. Lists are iterators over all their pages."""

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


class Inbox(Client):
    """A recipient's own inbox, opened by a token (``fbi_...``)."""

    items = _list(inbox_calls.inbox)
    mark_seen = _method(inbox_calls.mark_seen)
    mark_read = _method(inbox_calls.mark_read)
    archive = _method(inbox_calls.archive)

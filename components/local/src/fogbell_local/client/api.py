"""The HTTP interface as functions: what `fogbell send`, `status`, `recipients` and `demo` call."""

import contextlib
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Self
from uuid import UUID

import httpx2

from fogbell_local.client.connection import Connection
from fogbell_local.client.problems import ProblemError, UnreachableError, from_response

Json = dict[str, Any]
Say = Callable[[str], None]

PATIENCE = 20.0
"""Seconds for which a request is repeated while intake says that it cannot be answered now."""
CONNECT_PATIENCE = 3.0
"""The same while nobody listens: most often nothing was started, and waiting would not help."""

FIRST_PAUSE, LONGEST_PAUSE = 0.25, 4.0
TIMEOUT = httpx2.Timeout(30.0, connect=5.0)
UPLOAD_TIMEOUT = httpx2.Timeout(120.0, connect=5.0)

_AGAIN = frozenset({429, 503})


class Api:
    """A client of one intake. Every method raises ProblemError or UnreachableError.

    Requests that are safe to repeat are repeated on 503, 429 and lost connections, no sooner than
    Retry-After says; ``say`` is told so once.
    """

    def __init__(self, connection: Connection, say: Say = lambda _: None) -> None:
        self.connection = connection
        self._say = say
        # The environment's proxies are for the outside, and never meant for a loopback address.
        self._client = httpx2.Client(
            base_url=connection.url,
            headers={"Authorization": f"Bearer {connection.api_key}"},
            timeout=TIMEOUT,
            trust_env=not connection.url.startswith(("http://127.", "http://localhost")),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._client.close()

    def post_notification(self, body: Json, idempotency_key: str) -> Json:
        """``POST /v1/notifications``; repeating it is safe because of the key."""
        headers = {"Idempotency-Key": idempotency_key}
        return self._repeated("POST", "/v1/notifications", json=body, headers=headers)

    def notification(self, notification_id: UUID) -> Json:
        """``GET /v1/notifications/{id}``: the notification and its totals."""
        return self._repeated("GET", f"/v1/notifications/{notification_id}")

    def import_recipients(self, chunks: Iterator[bytes], media_type: str) -> Json:
        """``POST /v1/recipients/import``: ``{"imported", "rejected", "errors", ...}``."""
        with self._translated():
            response = self._client.post(
                "/v1/recipients/import",
                content=chunks,
                headers={"Content-Type": media_type},
                timeout=UPLOAD_TIMEOUT,
            )
        return _document(response)

    def _repeated(self, method: str, path: str, **request: Any) -> Json:
        started, pause = time.monotonic(), FIRST_PAUSE
        while True:
            wait = pause
            try:
                with self._translated():
                    return _document(self._client.request(method, path, **request))
            except UnreachableError as error:
                problem: Exception = error
                patience = CONNECT_PATIENCE
            except ProblemError as error:
                if error.status not in _AGAIN:
                    raise
                problem, patience = error, PATIENCE
                wait = max(pause, error.retry_after or 0.0)
            if time.monotonic() - started + wait > patience:
                raise problem
            if pause == FIRST_PAUSE:
                self._say(f"{str(problem).splitlines()[0]}; trying again ...")
            time.sleep(wait)
            pause = min(pause * 2, LONGEST_PAUSE)

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        url = self.connection.url
        try:
            yield
        except httpx2.TimeoutException as error:
            raise UnreachableError(f"{url} did not answer in time") from error
        except (httpx2.TransportError, httpx2.InvalidURL) as error:
            raise UnreachableError(
                f"nothing answers at {url} ({type(error).__name__})\n"
                "  Is it running? Start one here with `fogbell up`, or give another --url."
            ) from error


def _document(response: httpx2.Response) -> Json:
    if not response.is_success:
        raise from_response(response)
    try:
        document: Json = response.json()
    except ValueError:
        raise from_response(response) from None
    return document

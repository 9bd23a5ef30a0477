"""What can go wrong with a request, as a person at a terminal is told."""

from collections.abc import Mapping
from typing import Any

import httpx2
import typer


class ClientError(Exception):
    """The message says what came and what to do."""


class ProblemError(ClientError):
    """The interface answered with a problem (RFC 9457).

    ``retry_after``: seconds before which it asks not to be asked again.
    """

    def __init__(
        self, status: int, document: Mapping[str, Any], retry_after: float | None = None
    ) -> None:
        self.status = status
        self.retry_after = retry_after
        self.document = dict(document)
        super().__init__(describe(status, document))


class UnreachableError(ClientError):
    """Nothing answers at the address."""


def describe(status: int, document: Mapping[str, Any]) -> str:
    """Title, detail and every pointer of a problem, a line each."""
    lines = [f"{document.get('title', 'Error')} ({status})"]
    places = [f"{_place(error)}: {error.get('detail', '')}" for error in document.get("errors", ())]
    detail = document.get("detail")
    # A detail may only repeat the first place; whoever reads both wonders what the difference is.
    if detail and not (places and str(detail).startswith(places[0])):
        lines.append(f"  {detail}")
    lines += [f"  {place}" for place in places]
    if status >= 500 and (request_id := document.get("request_id")):
        lines.append(f"  Intake's log says more about request {request_id}.")
    return "\n".join(lines)


def _place(error: Mapping[str, Any]) -> str:
    return str(error.get("pointer") or error.get("parameter") or "#")


def from_response(response: httpx2.Response) -> ProblemError:
    """The error of an answer that is no success; its body has been read."""
    try:
        document = response.json()
    except ValueError:
        document = None
    if not isinstance(document, dict):
        title = response.reason_phrase or "Unexpected answer"
        document = {"title": title, "detail": "This does not look like Fogbell's intake."}
    pause = response.headers.get("Retry-After", "")
    # Intake sends seconds; a date (RFC 9110 allows it) could only come from something between.
    retry_after = float(pause) if pause.isascii() and pause.isdigit() else None
    return ProblemError(response.status_code, document, retry_after)


def failure(error: Exception) -> typer.Exit:
    """Say ``error`` on standard error; raise what this returns to end with status 1."""
    typer.echo(f"fogbell: {error}", err=True)
    return typer.Exit(1)

"""Which Fogbell a command speaks to: by option, by environment, or the one that runs here."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated

import typer

from fogbell_client import Fogbell, FogbellError, RetryPolicy
from fogbell_local import ready
from fogbell_local.client.problems import ClientError

URL_VARIABLE = "FOGBELL_URL"
KEY_VARIABLE = "FOGBELL_API_KEY"

RETRIES = RetryPolicy(patience=20.0, connect_patience=3.0)
"""While nobody listens, most often nothing was started: waiting longer would not help."""

Say = Callable[[str], None]

UrlOption = Annotated[
    str | None,
    typer.Option("--url", envvar=URL_VARIABLE, help="Where intake is; default: `fogbell up`'s."),
]
KeyOption = Annotated[
    str | None,
    typer.Option("--api-key", envvar=KEY_VARIABLE, help="An API key, fbk_...", show_default=False),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")]


@dataclass(frozen=True, slots=True)
class Connection:
    """Intake's address, and the key to show there."""

    url: str
    api_key: str


def find(
    url: str | None, api_key: str | None, environ: Mapping[str, str] = os.environ
) -> Connection:
    """What was given, else what a running `fogbell up` has left. Raises ClientError.

    A key is never taken from there for another address: it would be shown to a stranger.
    """
    if url and api_key:
        return Connection(url.rstrip("/"), api_key)
    if url:
        raise ClientError(f"{url} needs a key: give --api-key, or set {KEY_VARIABLE}")
    running = ready.read(ready.well_known_file(environ))
    if running is None:
        raise ClientError(
            "which Fogbell? Start one here with `fogbell up`, or give --url and --api-key"
            f" (or set {URL_VARIABLE} and {KEY_VARIABLE})"
        )
    return Connection(running["intake"], api_key or running["api_key"])


def client(connection: Connection, say: Say) -> Fogbell:
    """A client that tells ``say`` what it waits for, once for each. Raises ClientError."""
    told: set[str] = set()

    def on_retry(error: FogbellError, _: float) -> None:
        text = str(error).splitlines()[0]
        if text not in told:
            told.add(text)
            say(f"{text}; trying again ...")

    try:
        return Fogbell(connection.url, connection.api_key, retries=RETRIES, on_retry=on_retry)
    except ValueError as error:
        raise ClientError(str(error)) from None


def connect(url: str | None, api_key: str | None) -> Fogbell:
    """The client of a command, by its options. Raises ClientError."""
    return client(find(url, api_key), lambda text: typer.echo(text, err=True))

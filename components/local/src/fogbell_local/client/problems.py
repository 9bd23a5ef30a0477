"""What can go wrong with a command, as a person at a terminal is told.

Exit codes: 0 done; 1 refused, or nobody answers; 2 wrong usage (typer's); 130 Ctrl-C.
"""

import contextlib
from collections.abc import Iterator

import typer

from fogbell_client import FogbellError, UnreachableError


class ClientError(Exception):
    """The message says what came and what to do."""


@contextlib.contextmanager
def reporting() -> Iterator[None]:
    """Say on standard error what goes wrong within, and end the command."""
    try:
        yield
    except (ClientError, FogbellError, OSError) as error:
        raise failure(error) from error
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def failure(error: Exception) -> typer.Exit:
    """Say ``error`` on standard error; raise what this returns to end with status 1."""
    typer.echo(f"fogbell: {error}", err=True)
    if isinstance(error, UnreachableError) and not error.sent:
        hint = "Is it running? Start one here with `fogbell up`, or give another --url."
        typer.echo(f"  {hint}", err=True)
    return typer.Exit(1)

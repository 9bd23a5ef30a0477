"""``fogbell sink``: what has arrived at the sink of a running `fogbell up`."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from fogbell.model.status import Channel
from fogbell_local import ready
from fogbell_local.client.connection import JsonOption
from fogbell_local.client.problems import ClientError, reporting
from fogbell_local.sink import ledger
from fogbell_local.sink.ledger import Entry

app = typer.Typer(help="What has arrived at the local providers.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Without this, typer would take the only command for the group itself."""


@app.command("list")
def list_(
    channel: Annotated[Channel | None, typer.Option(help="Only what came over this one.")] = None,
    last: Annotated[int, typer.Option(min=1, help="So many, the newest.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """Show what the local providers took and refused, the newest last."""
    with reporting():
        entries = chosen(ledger.read(_log()), channel, last)
    for entry in entries:
        typer.echo(entry.to_line().decode().rstrip() if as_json else describe(entry))


def chosen(entries: Iterable[Entry], channel: Channel | None, last: int) -> list[Entry]:
    """The newest ``last`` of ``channel``; None: of all."""
    return [entry for entry in entries if channel in (None, entry.channel)][-last:]


def describe(entry: Entry) -> str:
    """An entry on one line: when, over what, whether, to whom, and what it said."""
    words = [
        f"{entry.at.astimezone():%H:%M:%S}",
        f"{entry.channel:7}",
        f"{entry.outcome:8}",
        *([entry.provider] if entry.provider else []),
        ", ".join(entry.to) or entry.path or "-",
        # As JSON: whoever wrote it must not draw on the terminal.
        *([json.dumps(entry.text, ensure_ascii=False)] if entry.text else []),
    ]
    return "  ".join(words)


def _log() -> Path:
    running = ready.read(ready.well_known_file())
    if running is None:
        raise ClientError("no `fogbell up` runs here: start one, and send something")
    return Path(running["sink"]["log"])

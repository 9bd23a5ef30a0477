"""``fogbell recipients``: bring people in from a file."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from fogbell_client.calls import media_type_of
from fogbell_client.documents import ImportReport
from fogbell_local.client.connection import JsonOption, KeyOption, UrlOption, connect
from fogbell_local.client.printing import print_json
from fogbell_local.client.problems import ClientError, reporting

CHUNK = 64 * 1024

app = typer.Typer(help="The directory of recipients.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keep ``import`` a command of its own although there is only one."""


@app.command("import")
def import_(
    file: Annotated[
        Path, typer.Argument(help="A .csv, .ndjson or .jsonl file.", exists=True, dir_okay=False)
    ],
    as_json: JsonOption = False,
    url: UrlOption = None,
    api_key: KeyOption = None,
) -> None:
    """Import recipients from a file; good lines are imported, each bad one is printed."""
    with reporting():
        kind = media_type(file)
        with connect(url, api_key) as fogbell, _bar() as bar:
            report = fogbell.import_recipients(read(file, bar), kind)
    if as_json:
        print_json(report)
    else:
        for text in report_lines(report):
            typer.echo(text)
    if report["rejected"]:
        raise typer.Exit(1)


def media_type(file: Path) -> str:
    """The kind that ``file``'s extension says. Raises ClientError."""
    try:
        return media_type_of(file)
    except ValueError as error:
        raise ClientError(str(error)) from None


def read(file: Path, bar: Progress) -> Iterator[bytes]:
    """The file in chunks; ``bar`` moves as they are taken."""
    task = bar.add_task(file.name, total=file.stat().st_size)
    with file.open("rb") as source:
        while chunk := source.read(CHUNK):
            yield chunk
            bar.advance(task, len(chunk))


def report_lines(report: ImportReport) -> Iterator[str]:
    """How an import ended: each bad line, then the sum."""
    for error in report["errors"]:
        yield f"line {error['line']}: {error['detail']}"
    if report.get("errors_truncated"):
        yield f"... and {report['rejected'] - len(report['errors'])} more"
    yield f"imported {report['imported']}, rejected {report['rejected']}"


def _bar() -> Progress:
    """On standard error, so that what a script reads is the report alone."""
    return Progress(
        TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn(),
        console=Console(stderr=True), disable=not Console(stderr=True).is_terminal,
    )  # fmt: skip

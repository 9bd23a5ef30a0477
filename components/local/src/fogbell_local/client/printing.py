"""How commands print: JSON for programs, tables for people."""

import json
from collections.abc import Iterable, Mapping, Sequence

import typer
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table


def print_json(document: object) -> None:
    """``document`` on several lines."""
    typer.echo(json.dumps(document, indent=2, ensure_ascii=False))


def print_json_line(document: object) -> None:
    """``document`` on one line, for streams of them."""
    typer.echo(json.dumps(document, ensure_ascii=False))


def print_table(columns: Sequence[str], documents: Iterable[Mapping[str, object]]) -> None:
    """``documents``, a row each; None is shown as a dash."""
    table = Table(*columns, box=box.SIMPLE_HEAD)
    for document in documents:
        # What comes from outside is no markup.
        table.add_row(*(escape(_cell(document.get(name))) for name in columns))
    Console().print(table)


def print_fields(document: Mapping[str, object]) -> None:
    """One thing, a field a line."""
    width = max(map(len, document), default=0)
    for name, value in document.items():
        typer.echo(f"{name:{width}}  {_cell(value)}")


def print_one(document: Mapping[str, object], *, as_json: bool) -> None:
    """One thing, as the command's ``--json`` says."""
    print_json(document) if as_json else print_fields(document)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, list):
        return " ".join(map(str, value))
    return str(value)

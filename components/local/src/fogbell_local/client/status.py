"""``fogbell status``: how far a notification is."""

import time
from collections.abc import Iterator
from typing import Annotated
from uuid import UUID

import typer
from rich.console import Console
from rich.live import Live

from fogbell_client import Fogbell
from fogbell_client.documents import Notification
from fogbell_local.client.connection import JsonOption, KeyOption, UrlOption, connect
from fogbell_local.client.printing import print_json, print_json_line
from fogbell_local.client.problems import reporting
from fogbell_local.client.progress import line, settled, table

WATCH_PAUSE = 0.5

NotificationArgument = Annotated[
    UUID, typer.Argument(help="The notification's id, as `fogbell send` printed it.")
]


def status(
    notification: NotificationArgument,
    watch: Annotated[bool, typer.Option("--watch", help="Go on until it is settled.")] = False,
    as_json: JsonOption = False,
    url: UrlOption = None,
    api_key: KeyOption = None,
) -> None:
    """Show a notification's totals by channel and status."""
    with reporting(), connect(url, api_key) as fogbell:
        if watch:
            _watch(seen(fogbell, notification), as_json)
        else:
            show(fogbell.notification(notification), as_json)


def show(document: Notification, as_json: bool) -> None:
    """A notification once."""
    if as_json:
        print_json(document)
    else:
        Console().print(table(document))


def seen(fogbell: Fogbell, notification: UUID) -> Iterator[Notification]:
    """The notification again and again, until it is settled."""
    while True:
        document = fogbell.notification(notification)
        yield document
        if settled(document):
            return
        time.sleep(WATCH_PAUSE)  # the interface has no stream of totals


def _watch(documents: Iterator[Notification], as_json: bool) -> None:
    console = Console()
    if console.is_terminal and not as_json:
        with Live(console=console, auto_refresh=False) as live:
            for document in documents:
                live.update(table(document), refresh=True)
        return
    shown: object = None
    for document in documents:
        now = document if as_json else line(document)
        if now == shown:
            continue
        shown = now
        if as_json:
            print_json_line(now)
        else:
            console.out(now, highlight=False)

"""``fogbell status``: how far a notification is."""

import time
from typing import Annotated
from uuid import UUID

import typer
from rich.console import Console
from rich.live import Live

from fogbell_local.client.api import Api
from fogbell_local.client.connection import KeyOption, UrlOption, find
from fogbell_local.client.problems import ClientError, failure
from fogbell_local.client.progress import line, settled, table

WATCH_PAUSE = 0.5


def status(
    notification: Annotated[UUID, typer.Argument(help="Its id, as `fogbell send` printed it.")],
    watch: Annotated[bool, typer.Option("--watch", help="Go on until it is settled.")] = False,
    url: UrlOption = None,
    api_key: KeyOption = None,
) -> None:
    """Show a notification's totals by channel and status."""
    console = Console()
    try:
        with Api(find(url, api_key), say=lambda text: typer.echo(text, err=True)) as api:
            if not watch:
                console.print(table(api.notification(notification)))
            elif console.is_terminal:
                _watch_live(api, notification, console)
            else:
                _watch_lines(api, notification, console)
    except ClientError as error:
        raise failure(error) from error
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def _watch_live(api: Api, notification: UUID, console: Console) -> None:
    document = api.notification(notification)
    with Live(table(document), console=console, auto_refresh=False) as live:
        while not settled(document):
            time.sleep(WATCH_PAUSE)
            document = api.notification(notification)
            live.update(table(document), refresh=True)


def _watch_lines(api: Api, notification: UUID, console: Console) -> None:
    shown = ""
    while True:
        document = api.notification(notification)
        if (now := line(document)) != shown:
            console.out(now, highlight=False)
            shown = now
        if settled(document):
            return
        time.sleep(WATCH_PAUSE)

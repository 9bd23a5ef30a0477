"""``fogbell cancel`` and ``fogbell replay``: changing what becomes of a notification."""

from typing import Annotated

import typer

from fogbell.model.status import DeliveryStatus
from fogbell_client.bodies import Channel
from fogbell_client.bodies import DeliveryStatus as StatusWord
from fogbell_local.client.connection import JsonOption, KeyOption, UrlOption, connect
from fogbell_local.client.printing import print_json
from fogbell_local.client.problems import reporting
from fogbell_local.client.status import NotificationArgument, show


def cancel(
    notification: NotificationArgument,
    as_json: JsonOption = False,
    url: UrlOption = None,
    api_key: KeyOption = None,
) -> None:
    """Stop a notification: what is not settled is cancelled."""
    with reporting(), connect(url, api_key) as fogbell:
        show(fogbell.cancel(notification), as_json)


def replay(
    notification: NotificationArgument,
    status: Annotated[
        list[DeliveryStatus] | None,
        typer.Option(help="Which; repeatable. [default: dead]"),
    ] = None,
    channel: Annotated[Channel | None, typer.Option(help="Only this one.")] = None,
    as_json: JsonOption = False,
    url: UrlOption = None,
    api_key: KeyOption = None,
) -> None:
    """Try a notification's dead deliveries again."""
    chosen: list[StatusWord] | None = [each.value for each in status] if status else None
    with reporting(), connect(url, api_key) as fogbell:
        replayed = fogbell.replay(notification, status=chosen, channel=channel)
    if as_json:
        print_json(replayed)
        return
    show(replayed, as_json=False)
    count = replayed["replayed"]
    typer.echo("replaying goes on" if count is None else f"replayed {count}")

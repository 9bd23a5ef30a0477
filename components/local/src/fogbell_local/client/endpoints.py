"""``fogbell endpoints``: the sender's own webhooks."""

from typing import Annotated

import typer

from fogbell.model.endpoint import EventType
from fogbell_client.bodies import EndpointBody
from fogbell_local.client.connection import JsonOption, KeyOption, UrlOption, connect
from fogbell_local.client.printing import print_json, print_table
from fogbell_local.client.problems import reporting

app = typer.Typer(help="Your own webhooks, told what settled.", no_args_is_help=True)


@app.command()
def add(
    target: Annotated[str, typer.Argument(metavar="TARGET", help="The URL to post to.")],
    event: Annotated[
        list[EventType] | None, typer.Option(help="Which event; repeatable. Default: all.")
    ] = None,
    description: Annotated[str | None, typer.Option(help="What it is for.")] = None,
    as_json: JsonOption = False,
    url: UrlOption = None,
    api_key: KeyOption = None,
) -> None:
    """Add an endpoint and print its secret; it is never shown again."""
    body: EndpointBody = {
        "url": target,
        "events": [each.value for each in event or EventType],
        "description": description,
    }
    with reporting(), connect(url, api_key) as fogbell:
        created = fogbell.create_endpoint(body)
    if as_json:
        print_json(created)
        return
    typer.echo(created["secret"])
    typer.echo(f"Its id is {created['id']}. The secret is not shown again.", err=True)


@app.command("list")
def list_(as_json: JsonOption = False, url: UrlOption = None, api_key: KeyOption = None) -> None:
    """List the endpoints of your key's app, without their secrets."""
    with reporting(), connect(url, api_key) as fogbell:
        found = list(fogbell.endpoints())
    if as_json:
        print_json(found)
        return
    print_table(("id", "url", "events", "description", "created_at", "disabled_at"), found)


@app.command()
def remove(
    endpoint_id: Annotated[
        str, typer.Argument(metavar="ID", help="As `fogbell endpoints list` shows it.")
    ],
    as_json: JsonOption = False,
    url: UrlOption = None,
    api_key: KeyOption = None,
) -> None:
    """Remove an endpoint: nothing more is sent there."""
    with reporting(), connect(url, api_key) as fogbell:
        fogbell.delete_endpoint(endpoint_id)
    if as_json:
        print_json({"removed": endpoint_id})
    else:
        typer.echo(f"removed {endpoint_id}")

"""``fogbell keys``: API keys."""

from typing import Annotated

import typer

from fogbell.model.api_key import Scope
from fogbell_client.bodies import ApiKeyBody, KeyMode
from fogbell_local.client.connection import JsonOption, KeyOption, UrlOption, connect
from fogbell_local.client.printing import print_json, print_table
from fogbell_local.client.problems import reporting

app = typer.Typer(help="API keys.", no_args_is_help=True)


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What it is for.")],
    scope: Annotated[list[Scope], typer.Option(help="What it allows; repeatable.")],
    app: Annotated[str | None, typer.Option(help="The app; default: your own key's.")] = None,
    mode: Annotated[KeyMode, typer.Option(help="test keys simulate sending.")] = "live",
    expires_at: Annotated[str | None, typer.Option(help="RFC 3339 with offset.")] = None,
    as_json: JsonOption = False,
    url: UrlOption = None,
    api_key: KeyOption = None,
) -> None:
    """Create an API key and print it; it is never shown again."""
    body: ApiKeyBody = {
        "name": name,
        "scopes": [each.value for each in scope],
        "app": app,
        "mode": mode,
        "expires_at": expires_at,
    }
    with reporting(), connect(url, api_key) as fogbell:
        created = fogbell.create_api_key(body)
    if as_json:
        print_json(created)
        return
    typer.echo(created["key"])
    typer.echo(f"Its id is {created['id']}. It is not shown again.", err=True)


@app.command("list")
def list_(as_json: JsonOption = False, url: UrlOption = None, api_key: KeyOption = None) -> None:
    """List the API keys, without the keys themselves."""
    with reporting(), connect(url, api_key) as fogbell:
        keys = list(fogbell.api_keys())
    if as_json:
        print_json(keys)
        return
    columns = ("id", "name", "app", "prefix", "scopes", "mode", "last_used_at", "expires_at")
    print_table(columns, keys)


@app.command()
def delete(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="As `fogbell keys list` shows it.")],
    as_json: JsonOption = False,
    url: UrlOption = None,
    api_key: KeyOption = None,
) -> None:
    """Delete an API key."""
    with reporting(), connect(url, api_key) as fogbell:
        fogbell.delete_api_key(key_id)
    if as_json:
        print_json({"deleted": key_id})
    else:
        typer.echo(f"deleted {key_id}")

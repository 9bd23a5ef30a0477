"""``fogbell inbox``: a recipient's inbox, as an app would open it."""

from pathlib import Path
from typing import Annotated

import typer

from fogbell_local.client.connection import JsonOption, KeyOption, UrlOption, client, find
from fogbell_local.client.inbox_page import PAGE, address, server
from fogbell_local.client.printing import print_json
from fogbell_local.client.problems import ClientError, reporting

RecipientArgument = Annotated[str, typer.Argument(help="The id of a recipient.")]

app = typer.Typer(help="A recipient's inbox.", no_args_is_help=True)


@app.command()
def token(
    recipient: RecipientArgument,
    as_json: JsonOption = False,
    url: UrlOption = None,
    api_key: KeyOption = None,
) -> None:
    """Print a token that opens this one inbox until it expires."""
    with reporting(), client(find(url, api_key), _say) as fogbell:
        created = fogbell.create_inbox_token(recipient)
    if as_json:
        print_json(created)
        return
    typer.echo(created["token"])
    _say(f"It is valid until {created['expires_at']}.")


@app.command("open")
def open_(
    recipient: RecipientArgument,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="The page's; 0 takes a free one.")
    ] = 0,
    as_json: JsonOption = False,
    url: UrlOption = None,
    api_key: KeyOption = None,
) -> None:
    """Serve the example page on this machine until Ctrl-C, and print where it shows the inbox."""
    with reporting():
        _check_page(PAGE)
        connection = find(url, api_key)
        with client(connection, _say) as fogbell:
            created = fogbell.create_inbox_token(recipient)
        with server(port) as serving:
            page = address(serving, connection.url, created["token"])
            if as_json:
                print_json({"url": page})
            else:
                typer.echo(page)
            _say("Open it in a browser. Ctrl-C ends the page.")
            try:
                serving.serve_forever()
            except KeyboardInterrupt:
                _say("Stopped.")


def _check_page(directory: Path) -> None:
    if not (directory / "index.html").exists():
        raise ClientError(
            f"the page is a part of Fogbell's repository, and {directory} is not here"
        )


def _say(text: str) -> None:
    typer.echo(text, err=True)

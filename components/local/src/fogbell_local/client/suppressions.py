"""``fogbell suppressions``: addresses that are not to be used."""

from typing import Annotated

import typer

from fogbell_client.bodies import Channel
from fogbell_local.client.connection import JsonOption, KeyOption, UrlOption, connect
from fogbell_local.client.printing import print_json, print_one
from fogbell_local.client.problems import reporting

ChannelArgument = Annotated[Channel, typer.Argument()]
AddressArgument = Annotated[
    str, typer.Argument(help="An e-mail address, phone number, device token or URL.")
]

app = typer.Typer(help="Addresses that are not to be used.", no_args_is_help=True)


@app.command()
def add(
    channel: ChannelArgument,
    address: AddressArgument,
    reason: Annotated[str | None, typer.Option(help="Why.")] = None,
    as_json: JsonOption = False,
    url: UrlOption = None,
    api_key: KeyOption = None,
) -> None:
    """Stop using an address."""
    with reporting(), connect(url, api_key) as fogbell:
        stored = fogbell.suppress(channel, address, reason=reason)
    print_one(stored, as_json=as_json)


@app.command()
def show(
    channel: ChannelArgument,
    address: AddressArgument,
    as_json: JsonOption = False,
    url: UrlOption = None,
    api_key: KeyOption = None,
) -> None:
    """Show why an address is not used; status 1 where it may be."""
    with reporting(), connect(url, api_key) as fogbell:
        found = fogbell.suppression(channel, address)
    print_one(found, as_json=as_json)


@app.command()
def remove(
    channel: ChannelArgument,
    address: AddressArgument,
    as_json: JsonOption = False,
    url: UrlOption = None,
    api_key: KeyOption = None,
) -> None:
    """Use an address again."""
    with reporting(), connect(url, api_key) as fogbell:
        fogbell.delete_suppression(channel, address)
    if as_json:
        print_json({"removed": {"channel": channel, "address": address}})
    else:
        typer.echo(f"removed {channel} {address}")

"""The command ``fogbell``."""

import typer

from fogbell_local import cli_servers, cli_sink
from fogbell_local.client import endpoints, inbox, keys, recipients, suppressions, templates
from fogbell_local.client.changes import cancel, replay
from fogbell_local.client.send import send
from fogbell_local.client.status import status
from fogbell_local.client.tail import tail
from fogbell_local.demo.command import demo
from fogbell_local.up import up

app = typer.Typer(
    help="Fogbell on one machine, and its command line client.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,  # they hold keys and addresses
)
app.command()(up)
app.command()(demo)
app.command()(send)
app.command()(status)
app.command()(tail)
app.command()(cancel)
app.command()(replay)
app.add_typer(recipients.app, name="recipients")
app.add_typer(templates.app, name="templates")
app.add_typer(suppressions.app, name="suppressions")
app.add_typer(keys.app, name="keys")
app.add_typer(endpoints.app, name="endpoints")
app.add_typer(inbox.app, name="inbox")
app.add_typer(cli_servers.app, name="servers")
app.add_typer(cli_sink.app, name="sink")


def main() -> None:
    """Entry point of the console script."""
    app()


if __name__ == "__main__":
    main()

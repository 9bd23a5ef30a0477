"""The command ``fogbell``."""

import typer

from fogbell_local import cli_servers

app = typer.Typer(help="Fogbell on one machine, and its command line client.", no_args_is_help=True)
app.add_typer(cli_servers.app, name="servers")


def main() -> None:
    """Entry point of the console script."""
    app()


if __name__ == "__main__":
    main()

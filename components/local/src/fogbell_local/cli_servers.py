"""``fogbell servers``: MongoDB and RabbitMQ for this machine."""

import signal
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from fogbell_local.servers import MongoServer, RabbitServer, ServerError, install_browser
from fogbell_local.servers import install as install_servers

app = typer.Typer(help="MongoDB and RabbitMQ for this machine.", no_args_is_help=True)


@app.command()
def install(
    browser: Annotated[bool, typer.Option("--browser", help="And Chromium, for tests.")] = False,
) -> None:
    """Make sure that both can be started here, installing packages where that is possible."""
    try:
        install_servers(typer.echo)
        if browser:
            install_browser(typer.echo)
    except ServerError as error:
        raise _failure(error) from error


@app.command()
def run(
    directory: Annotated[
        Path | None, typer.Option(help="Where data is kept; without it, it is thrown away.")
    ] = None,
) -> None:
    """Start both, print their addresses, and keep them until Ctrl-C."""
    with ExitStack() as stack:
        home = directory or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        try:
            mongo, rabbit = start_both(home)
        except (ServerError, OSError) as error:
            raise _failure(error) from error
        end = stack.callback
        for server in (mongo, rabbit):
            end(server.stop if directory else server.discard)
        typer.echo(f"FOGBELL_MONGODB_URI={mongo.uri}")
        typer.echo(f"FOGBELL_RABBITMQ_URI={rabbit.uri}")
        _wait_for_the_end()


def start_both(directory: Path) -> tuple[MongoServer, RabbitServer]:
    """Find or start both at the same time, with their data in ``directory``.

    Raises ServerError, and leaves neither running then.
    """
    with ThreadPoolExecutor(2) as pool:
        mongo = pool.submit(MongoServer.find, directory / "mongodb")
        rabbit = pool.submit(RabbitServer.find, directory / "rabbitmq")
    if error := mongo.exception() or rabbit.exception():
        for started in (mongo, rabbit):
            if started.exception() is None:
                started.result().stop()
        raise error
    return mongo.result(), rabbit.result()


def _wait_for_the_end() -> None:
    """Block until SIGINT or SIGTERM."""
    asked = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: asked.set())
    asked.wait()


def _failure(error: Exception) -> typer.Exit:
    typer.echo(f"fogbell: {error}", err=True)
    return typer.Exit(1)

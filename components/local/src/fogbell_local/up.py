"""``fogbell up``: the whole system on this machine, until Ctrl-C."""

import contextlib
import json
import shlex
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from fogbell.identity import notification_id
from fogbell_local import ready as ready_file
from fogbell_local.environment import APP, FAST, LOCAL
from fogbell_local.interrupt import Interrupted, Stop
from fogbell_local.ready import Ready
from fogbell_local.servers import ServerError
from fogbell_local.system import Options, System

LOOK_SECONDS = 0.25
DEFAULT_PORT = 8080

_FIRST_KEY = "hello-1"
_RECIPIENT = {
    "addresses": {"email": "ann@example.org"},
    "groups": ["readers"],
    "attributes": {"first_name": "Ann"},
}
_NOTIFICATION = {
    "audience": {"recipients": ["ann"]},
    "channels": ["email", "inbox"],
    "content": {
        "email": {
            "subject": "Hello {{ recipient.attributes.first_name }}",
            "text": "The bell rang at {{ data.place }}.",
        },
        "inbox": {"title": "The bell rang at {{ data.place }}"},
    },
    "data": {"place": "the lighthouse"},
}


def up(
    smtp_url: Annotated[
        str | None,
        typer.Option(help="Send mail to this relay (smtp://user:password@host:port), for real."),
    ] = None,
    ready: Annotated[
        Path | None, typer.Option("--ready-file", help="Write addresses, key and pids as JSON.")
    ] = None,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Intake's; 0 takes a free one.")
    ] = DEFAULT_PORT,
    data: Annotated[
        Path | None, typer.Option(help="Where data is kept; without it, it is thrown away.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, max=32)] = 1,
    fast: Annotated[
        bool, typer.Option("--fast", help="Shorten the protocol's times, as the demo does.")
    ] = False,
) -> None:
    """Start MongoDB, RabbitMQ, a sink and every component; stop them all on Ctrl-C."""
    stop = Stop()
    stop.listen()
    with contextlib.ExitStack() as stack:
        temporary = tempfile.TemporaryDirectory(prefix="fogbell-", ignore_cleanup_errors=True)
        directory = data or Path(stack.enter_context(temporary))
        options = Options(
            directory=directory.resolve(), keep=data is not None, port=port, workers=workers,
            smtp_url=smtp_url, changes=LOCAL + FAST if fast else LOCAL,
        )  # fmt: skip
        try:
            _run(options, stop, ready)
        except Interrupted:
            typer.echo("Stopped.")
        except (ServerError, OSError) as error:
            typer.echo(f"fogbell: {error}", err=True)
            raise typer.Exit(1) from error


def _run(options: Options, stop: Stop, file: Path | None) -> None:
    files = [path for path in (file, ready_file.well_known_file()) if path is not None]
    system = System(options, typer.echo)
    with contextlib.ExitStack() as stack:
        stack.callback(system.stop)
        system.start(stop)
        own = system.ready()
        for path in files:
            ready_file.write(path, own)
            stack.callback(ready_file.remove, path, own)
        for line in banner(own, options, system.logs):
            typer.echo(line)
        _keep(system, stop, files)
        typer.echo("Stopping ...")
    typer.echo("Stopped.")


def _keep(system: System, stop: Stop, files: list[Path]) -> None:
    """Look after everything until asked to stop."""
    while not stop.wait(LOOK_SECONDS):
        if system.tend():
            for path in files:
                ready_file.write(path, system.ready())
        for text in system.news():
            typer.echo(f"fogbell: {text}", err=True)


def banner(own: Ready, options: Options, logs: Path) -> Iterator[str]:
    """What is printed once everything is up."""
    sink = own["sink"]
    mail = f"mail {sink['smtp']}" if sink["smtp"] else "mail goes to the relay of --smtp-url"
    yield "\nFogbell is up. Ctrl-C stops everything that was started here.\n"
    yield f"  intake    {own['intake']}"
    yield f"  API key   {own['api_key']}"
    yield f"  MongoDB   {own['mongodb']}"
    yield f"  RabbitMQ  {own['rabbitmq']}"
    yield f"  sink      {mail}, webhooks {sink['webhook']}"
    yield f"            SMS {', then '.join(sink['sms'])}"
    yield f"            push (FCM) {sink['fcm']}"
    yield f"            log {sink['log']}"
    yield from (f"  metrics   {url} ({label})" for label, url in own["metrics"].items())
    yield f"  logs      {logs}"
    yield "\nChanged for this machine:\n"
    yield from (f"  {change}" for change in options.changes)
    yield "\nTry, in another terminal:\n"
    yield from (f"  {command}" for command in commands(own))
    yield "\nor:\n"
    yield "  fogbell send --to bob@example.org --subject Hello --text 'The bell rang.'"
    yield "  fogbell send --to +447700900123 --to fcm:my-phone --text 'The bell rang.'"
    yield "  fogbell sink list"
    yield "  fogbell inbox open ann\n"


def commands(own: Ready) -> list[str]:
    """Three curl commands: put a recipient, post a notification, read its progress.

    The third one can name the id before the second has run, because an Idempotency-Key decides it.
    """
    first = notification_id(APP, _FIRST_KEY)
    return [
        _curl(own, "/v1/recipients/ann", "-X", "PUT", body=_RECIPIENT),
        _curl(own, "/v1/notifications", "-H", f"Idempotency-Key: {_FIRST_KEY}", body=_NOTIFICATION),
        _curl(own, f"/v1/notifications/{first}"),
    ]


def _curl(own: Ready, path: str, *options: str, body: dict[str, Any] | None = None) -> str:
    words = ["curl", "-sS", *options, "-H", f"Authorization: Bearer {own['api_key']}"]
    if body is not None:
        words += ["-H", "Content-Type: application/json", "-d", json.dumps(body)]
    return shlex.join([*words, own["intake"] + path])

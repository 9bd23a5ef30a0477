"""``fogbell demo``: wires the story to a system of its own, and ends with the verdict."""

import contextlib
import os
import secrets
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import typer
from pymongo.errors import PyMongoError

from fogbell_client import FogbellError
from fogbell_local.client.connection import Connection, client
from fogbell_local.client.problems import ClientError
from fogbell_local.demo import evidence
from fogbell_local.demo.providers import by_provider, recognised
from fogbell_local.demo.story import Story
from fogbell_local.demo.verdict import Record, Verdict, compare
from fogbell_local.demo.view import View
from fogbell_local.environment import FAST, LOCAL, Change
from fogbell_local.interrupt import Interrupted, Stop
from fogbell_local.providers import GATEWAYS
from fogbell_local.servers import ServerError
from fogbell_local.sink import Behaviour, Entry, Outage
from fogbell_local.system import Options, System

WORKERS = 2
OUTAGE = Outage(GATEWAYS[0], after=20, lasts=60)
SINK = Behaviour(refuse_fraction=1 / 3, delay=0.05, outage=OUTAGE)
"""Slow enough that there is a middle in which to kill a worker."""

SLOWER = (
    Change(
        "FOGBELL_BULK__SLOTS", "10", "50", "bulk sends at once, of a channel in a worker", "worker"
    ),
    # A group is given as a whole: these two are only repeated.
    Change("FOGBELL_BULK__BATCHES", "2", "2", "bulk batches at once", "worker"),
    Change("FOGBELL_BULK__PREFETCH", "4", "4", "bulk messages held", "worker"),
)


def demo() -> None:
    """Run the whole system with faults, and prove that nothing was lost. Takes about a minute."""
    stop = Stop()
    stop.listen()
    started = time.monotonic()
    try:
        verdict = _run(stop)
    except Interrupted:
        typer.echo("Stopped.")
        raise typer.Exit(130) from None
    except (ClientError, FogbellError, ServerError, PyMongoError, OSError) as error:
        typer.echo(f"fogbell: {error}", err=True)
        raise typer.Exit(1) from error
    typer.echo(f"It took {time.monotonic() - started:.0f} s.")
    for fault in verdict.faults:
        typer.echo(f"fault: {fault}")
    typer.echo(verdict.line())
    raise typer.Exit(0 if verdict.passed else 1)


def _run(stop: Stop) -> Verdict:
    with contextlib.ExitStack() as stack:
        view = stack.enter_context(View())
        system = stack.enter_context(_system(view, stop))
        ready = system.ready()
        connection = Connection(ready["intake"], ready["api_key"])
        fogbell = stack.enter_context(client(connection, view.say))
        story = Story(system, fogbell, view, stop)
        story.tell()
        place = system.place
        records = evidence.records(place.mongodb, place.database, story.notifications)
        ledger = recognised(system.sink.entries(), story.phones)
        verdict = compare(story.expected, records, ledger)
        evidence.drop(place.mongodb, place.database)
    for line in findings(records, ledger, verdict):
        typer.echo(line)
    return verdict


@contextlib.contextmanager
def _system(view: View, stop: Stop) -> Iterator[System]:
    """A system whose data is thrown away, under names of its own: a server may be shared."""
    with tempfile.TemporaryDirectory(prefix="fogbell-demo-", ignore_cleanup_errors=True) as home:
        run = secrets.token_hex(4)
        options = Options(
            directory=Path(home).resolve(), workers=WORKERS, behaviour=SINK,
            changes=LOCAL + FAST + SLOWER,
            database=f"fogbell_demo_{run}", prefix=f"fogbell-demo-{run}.",
        )  # fmt: skip
        # The demo's own times hold, whatever the environment says of others.
        environ = {k: v for k, v in os.environ.items() if not k.startswith("FOGBELL_")}
        system = System(options, view.say, environ)
        view.say("Changed for this demo, so that it takes seconds instead of minutes:")
        for change in options.changes:
            if change.value != change.default:
                view.say(f"  {change}")
        with contextlib.ExitStack() as stack:
            stack.callback(system.stop)
            system.start(stop)
            view.say(
                f"The sink refuses {SINK.refuse_fraction:.0%} of mails once with"
                f" {SINK.refuse_code}; one webhook receiver answers 503 with Retry-After once;"
                f" {OUTAGE.provider} answers 503 after its first {OUTAGE.after} texts."
            )
            yield system
            view.say("Stopping ...")


def findings(records: Sequence[Record], ledger: Sequence[Entry], verdict: Verdict) -> Iterator[str]:
    """What the comparison has found, in words."""
    lost = sum(record.lost_leases > 0 for record in records)
    yield "Compared MongoDB's records with the sink's own log:"
    yield from (f"  {line}" for line in by_provider(ledger))
    yield f"  {lost} deliveries lost their lease with the killed worker and were tried again,"
    yield (
        f"  {verdict.duplicates} of them had arrived before it could write that down, and so"
        " arrived twice."
    )

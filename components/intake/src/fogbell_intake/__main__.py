"""Starts intake: ``fogbell-intake [--ready-file FILE]``; all else comes from the environment."""

import argparse
import gc
from pathlib import Path

from fogbell.settings import load
from fogbell.telemetry.logs import configure_logging
from fogbell_intake.app import begin_stop, create_app
from fogbell_intake.server import Server
from fogbell_intake.settings import IntakeSettings

COLLECT_EVERY = 10_000
"""Objects made and not freed until the youngest are looked at for cycles."""


def main() -> None:
    """Serve until SIGTERM or SIGINT; wrong settings exit 2 before anything is opened."""
    parser = argparse.ArgumentParser(prog="fogbell-intake", description="Fogbell's HTTP interface.")
    parser.add_argument(
        "--ready-file", type=Path, help="write {'url': ...} here, as JSON, once intake listens"
    )
    arguments = parser.parse_args()
    settings = load(IntakeSettings)
    configure_logging("intake", settings.log.level, settings.log.format)
    app = create_app(settings)
    server = Server(
        app,
        settings.http,
        begin_stop=lambda: begin_stop(app),
        ready_file=arguments.ready_file,
    )
    _spare_the_collector()
    server.run()


def _spare_the_collector() -> None:
    """Leave what is loaded by now out of every collection, and collect less often.

    With Python's defaults (every 700 objects, and the whole heap again and again) a fifth of what a
    post cost went into looks for cycles. What requests leave behind in cycles is small, and waits
    for 10,000 objects at most.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_EVERY, 20, 20)


if __name__ == "__main__":
    main()

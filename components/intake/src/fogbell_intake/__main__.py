"""Starts intake: ``fogbell-intake [--ready-file FILE]``; all else comes from the environment."""

import argparse
from pathlib import Path

from fogbell.collector import spare_the_collector
from fogbell.settings import load
from fogbell.telemetry.exporting import traced
from fogbell.telemetry.logs import configure_logging
from fogbell_intake.app import begin_stop, create_app
from fogbell_intake.server import Server
from fogbell_intake.settings import IntakeSettings


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
    with traced("intake"):
        spare_the_collector()
        server.run()


if __name__ == "__main__":
    main()

"""``fogbell-worker``: read the settings, then work until told to stop."""

import uvloop

from fogbell.collector import spare_the_collector
from fogbell.settings import load
from fogbell.telemetry.exporting import traced
from fogbell.telemetry.logs import configure_logging
from fogbell_worker.app import Worker
from fogbell_worker.settings import WorkerSettings


def main() -> None:
    """Run the worker; exits 2 on wrong settings."""
    settings = load(WorkerSettings)
    configure_logging("worker", settings.log.level, settings.log.format)
    with traced("worker"):
        spare_the_collector()
        uvloop.run(_run(settings))


async def _run(settings: WorkerSettings) -> None:
    await Worker(settings).run()


if __name__ == "__main__":
    main()

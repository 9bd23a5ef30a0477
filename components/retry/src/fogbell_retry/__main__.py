"""``fogbell-retry [--once]``: sweep for this minute's window, or once, then exit."""

import argparse
import sys

import uvloop

from fogbell.settings import load
from fogbell.telemetry.exporting import traced
from fogbell.telemetry.logs import configure_logging
from fogbell_retry.app import Retry
from fogbell_retry.settings import RetryComponentSettings


def main() -> None:
    """Run one window; exits 42 on wrong settings, 1 where no sweep succeeded."""
    parser = argparse.ArgumentParser(prog="fogbell-retry", description="Release what is due.")
    parser.add_argument("--once", action="store_true", help="sweep once instead of for a window")
    arguments = parser.parse_args()
    settings = load(RetryComponentSettings, job=True)
    configure_logging("retry", settings.log.level, settings.log.format)
    with traced("retry"):
        sys.exit(uvloop.run(_run(settings, once=arguments.once)))


async def _run(settings: RetryComponentSettings, *, once: bool) -> int:
    return await Retry(settings, once=once).run()


if __name__ == "__main__":
    main()

"""``python -m tests.chaos``: break things under load, and hold the system to account.

Exits 1 where something was lost or is unexplained, where a component ended by a defect of its own,
or where it did not come to rest.
"""

import argparse
import asyncio
import json
import secrets
import shutil
import signal
import sys
import time
from pathlib import Path

from tests.chaos import story
from tests.chaos.ground import standing
from tests.chaos.kinds import Kind
from tests.chaos.plan import Bounds, Planned, draw, once_each
from tests.chaos.report import Report, arrivals, recovery
from tests.chaos.rest import reckoning
from tests.chaos.sizes import FULL, SHORT, SHORTENED, Sizes
from tests.chaos.tools import Programs, provide
from tests.support.commands import ToolError

from fogbell.model.status import DeliveryStatus
from fogbell_local.servers import ServerError, install

ROOT = Path(__file__).parent.parent.parent
RESULTS = ROOT / ".chaos"

SHORT_KINDS = (
    Kind.KILL_INTAKE,
    Kind.KILL_WORKER,
    Kind.KILL_RETRY,
    Kind.KILL_RUNNER,
    Kind.MONGODB_KILL,
    Kind.RABBITMQ_KILL,
    Kind.RABBITMQ_PURGE,
    Kind.PROVIDER_CUT,
)
"""What the run that is a test has, each once: everything that there is of servers and processes."""


def main() -> int:
    """Run what the command line asks for."""
    told = _arguments()
    seed = secrets.randbelow(1_000_000) if told.seed is None else told.seed
    plan, sizes = _planned(told, seed), SHORT if told.short else FULL
    _announce(seed, plan, sizes)
    if told.plan:
        return 0
    directory = told.results / f"seed-{seed}-{time.strftime('%Y%m%d-%H%M%S')}"
    try:
        install(_say, contained=False)
        programs = provide({planned.kind for planned in plan}, _say)
        report = asyncio.run(_run(directory, programs, plan, sizes, seed))
    except (ServerError, ToolError, OSError) as error:
        _say(f"chaos: {error}")
        _say(f"logs are in {directory}")
        return 1
    except asyncio.CancelledError:
        shutil.rmtree(directory, ignore_errors=True)
        _say("stopped; everything that was started has ended")
        return 130
    return _told(report, directory, keep=told.keep)


async def _run(
    directory: Path, programs: Programs, plan: list[Planned], sizes: Sizes, seed: int
) -> Report:
    began = time.monotonic()
    whole = asyncio.current_task()
    assert whole is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        # Everything that was started is ended on the way out.
        asyncio.get_running_loop().add_signal_handler(number, whole.cancel)

    def say(text: str) -> None:
        _say(f"{time.monotonic() - began:6.1f}  {text}")

    async with standing(directory, programs, sizes, seed, say) as ground:
        happened = await story.tell(ground, plan, sizes, say)
        left = await story.rest(ground, sizes, say)
        found = await reckoning(ground)
        arrived = arrivals(found.ledger)
        # Whom a provider has refused for good does not wait for the bell.
        probes = [
            probe for probe in ground.books.probes
            if found.records.get(probe.delivery, {}).get("status") != DeliveryStatus.DEAD
        ]  # fmt: skip
        return Report(
            seed=seed,
            happened=happened,
            recoveries=[recovery(each, probes, arrived) for each in happened],
            reckoning=found,
            violations=list(found.violations()),
            left=left,
            answers=ground.client.answers,
            ended=list(ground.fleet.obituaries()),
            defects=[*ground.fleet.defects(), *ground.campaigns.defects],
            refused=list(ground.load.failures),
            seconds=time.monotonic() - began,
        )


def _planned(told: argparse.Namespace, seed: int) -> list[Planned]:
    if told.short:
        return once_each(seed, Bounds(SHORT_KINDS, pause=(0.5, 1.0), longest=1.5))
    return draw(seed, told.minutes * 60)


def _announce(seed: int, plan: list[Planned], sizes: Sizes) -> None:
    _say(f"seed {seed}: the same plan again with CHAOS_SEED={seed}")
    for planned in plan:
        _say(f"  {planned}")
    _say("shortened, so that it takes seconds instead of minutes:")
    for change in {change.variable: change for change in SHORTENED}.values():
        if change.value != change.default:
            _say(f"  {change}")
    _say(f"  {sizes}")


def _told(report: Report, directory: Path, *, keep: bool) -> int:
    for line in report.lines():
        _say(line)
    for text in report.ended:
        _say(text)
    result = directory.with_suffix(".json")
    result.write_text(json.dumps(report.document(), indent=2, default=str))
    _say(f"kept as {result}")
    if report.passed and not keep:
        shutil.rmtree(directory, ignore_errors=True)
    else:
        _say(f"logs are in {directory}")
    _say(report.line())
    return 0 if report.passed else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=3, help="of faults, about")
    parser.add_argument("--seed", type=int, help="draws the plan; default: a fresh one")
    parser.add_argument("--short", action="store_true", help="under a minute: eight faults")
    parser.add_argument("--plan", action="store_true", help="print the plan, and stop there")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where the run is kept")
    parser.add_argument("--keep", action="store_true", help="keep the logs also where all is well")
    return parser.parse_args()


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())

"""Providers, all that the sink stands for: refusing, taking without a reply, silent."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace

from tests.chaos.faults.fault import Fault
from tests.chaos.ground import USUAL
from tests.chaos.kinds import Kind

from fogbell_local.providers import GATEWAYS
from fogbell_local.sink import Behaviour, Outage

MANY = 1_000_000
TROUBLES: Mapping[Kind, Behaviour] = {
    # 451 and 503, once for each message that falls into it; the first gateway answers 503.
    Kind.PROVIDER_LATER: replace(
        USUAL, refuse_fraction=0.4, webhook_fraction=0.4, outage=Outage(GATEWAYS[0], 0, MANY)
    ),
    Kind.PROVIDER_NEVER: replace(USUAL, refuse_fraction=0.1, refuse_code=550),
    Kind.PROVIDER_CUT: replace(USUAL, cut_fraction=0.3),
    Kind.PROVIDER_SILENT: replace(USUAL, silent_fraction=0.05),
}


class Trouble(Fault):
    """The sink is started again and behaves otherwise: that alone cuts what is under way."""

    async def start(self) -> None:
        """Begin to behave so."""
        behaviour = TROUBLES[self.planned.kind]
        self.struck = "the sink"
        await asyncio.to_thread(self.ground.servers.sink.restart, behaviour)

    async def heal(self) -> None:
        """Behave well again."""
        await asyncio.to_thread(self.ground.servers.sink.restart, USUAL)

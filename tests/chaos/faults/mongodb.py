"""MongoDB: a member killed, stopped, told to step down."""

import asyncio
from dataclasses import dataclass

from tests.chaos.faults.fault import Fault

from fogbell_local.servers.replica_set import Member

STEP_DOWN_SECONDS = 5


@dataclass
class _OfMember(Fault):
    """Strikes one member."""

    member: Member | None = None

    @property
    def _struck(self) -> Member:
        assert self.member is not None, "it has not begun"
        return self.member

    def _strike(self, member: Member, what: str) -> Member:
        self.member, self.struck = member, what
        return member


class KillPrimary(_OfMember):
    """SIGKILL for the primary, as in a power cut: the others elect another."""

    async def start(self) -> None:
        """Kill it."""
        primary = await asyncio.to_thread(self.ground.servers.mongodb.wait_primary)
        await asyncio.to_thread(self._strike(primary, "primary").server.kill)

    async def heal(self) -> None:
        """Start it again, on its data."""
        await asyncio.to_thread(self._struck.server.restart)


class FreezeMember(_OfMember):
    """SIGSTOP for a member: its connections stay, and nothing answers."""

    async def start(self) -> None:
        """Stop the primary, two times of three, or else another."""
        servers = self.ground.servers.mongodb
        primary = await asyncio.to_thread(servers.wait_primary)
        others = [member for member in servers.members if member is not primary]
        chosen = self.choose([primary, primary, others[0]])
        name = "primary" if chosen is primary else "secondary"
        await asyncio.to_thread(self._strike(chosen, name).server.freeze)

    async def heal(self) -> None:
        """Let it go on."""
        await asyncio.to_thread(self._struck.server.thaw)


class StepDown(Fault):
    """The primary gives way, as in an upgrade of MongoDB: an election without a crash."""

    async def start(self) -> None:
        """Ask it to."""
        self.struck = "primary"
        await asyncio.to_thread(self.ground.servers.mongodb.step_down, STEP_DOWN_SECONDS)

    async def heal(self) -> None:
        """The others elect another by themselves."""
        await asyncio.to_thread(self.ground.servers.mongodb.wait_primary)

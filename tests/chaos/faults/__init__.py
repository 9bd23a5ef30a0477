"""The faults: for each kind what makes it."""

from collections.abc import Mapping

from tests.chaos.faults import mongodb, network, processes, providers, rabbitmq
from tests.chaos.faults.fault import Fault
from tests.chaos.ground import Ground
from tests.chaos.kinds import Kind
from tests.chaos.plan import Planned

FAULTS: Mapping[Kind, type[Fault]] = {
    Kind.KILL_INTAKE: processes.Kill,
    Kind.KILL_WORKER: processes.Kill,
    Kind.KILL_RETRY: processes.Kill,
    Kind.KILL_RUNNER: processes.KillRunner,
    Kind.FREEZE_WORKER: processes.Freeze,
    Kind.WRONG_CLOCK: processes.WrongClock,
    Kind.MONGODB_KILL: mongodb.KillPrimary,
    Kind.MONGODB_STEP_DOWN: mongodb.StepDown,
    Kind.MONGODB_FREEZE: mongodb.FreezeMember,
    Kind.MONGODB_SLOW: network.Slow,
    Kind.MONGODB_RESET: network.Reset,
    Kind.MONGODB_SILENT: network.Silent,
    Kind.RABBITMQ_KILL: rabbitmq.KillBroker,
    Kind.RABBITMQ_FREEZE: rabbitmq.FreezeBroker,
    Kind.RABBITMQ_PURGE: rabbitmq.Purge,
    Kind.RABBITMQ_WIPE: rabbitmq.Wipe,
    Kind.RABBITMQ_ALARM: rabbitmq.Alarm,
    Kind.RABBITMQ_SLOW: network.Slow,
    Kind.RABBITMQ_RESET: network.Reset,
    Kind.RABBITMQ_SILENT: network.Silent,
    Kind.PROVIDER_LATER: providers.Trouble,
    Kind.PROVIDER_NEVER: providers.Trouble,
    Kind.PROVIDER_CUT: providers.Trouble,
    Kind.PROVIDER_SILENT: providers.Trouble,
}


def fault_of(planned: Planned, ground: Ground) -> Fault:
    """The fault that is planned."""
    return FAULTS[planned.kind](ground, planned)


__all__ = ["FAULTS", "Fault", "fault_of"]

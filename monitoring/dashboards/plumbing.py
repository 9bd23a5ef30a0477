"""Do the parts work together?"""

from monitoring.dashboards.board import Board, Panel, Row, Series, Shape, Unit
from monitoring.queries import RATE, per_second, quantile

_COMMANDS = "fogbell_mongodb_command_duration_seconds"
_PUBLISHED = "fogbell_publish_duration_seconds_bucket{@}"

_QUEUES = Row(
    "Queues",
    (
        Panel(
            "Messages",
            "What waits in RabbitMQ. A bulk message carries up to 200 deliveries.",
            Unit.COUNT,
            (Series("{{queue}}", "max by (queue) (fogbell_queue_messages{@})"),),
        ),
        Panel(
            "Consumers",
            "Of each queue: 0 and messages beside it is nobody's work.",
            Unit.COUNT,
            (Series("{{queue}}", "max by (queue) (fogbell_queue_consumers{@})"),),
        ),
    ),
)
_SWEEP = Row(
    "Sweep",
    (
        Panel(
            "Since the last sweep",
            "One ends every few seconds while retry's window is open.",
            Unit.SECONDS,
            (Series("", "time() - max(fogbell_sweep_last_timestamp_seconds{@})"),),
            width=6,
        ),
        Panel(
            "Released by reason",
            "What went back to a queue, a second. `lease_expired`: a worker has died or hung.",
            Unit.PER_SECOND,
            (
                Series(
                    "{{reason}}",
                    per_second("fogbell_sweep_released_total{@}", "reason", of="max"),
                ),
            ),
            width=6,
        ),
        Panel(
            "Sweeps, settled and purged",
            "A minute.",
            Unit.COUNT,
            (
                Series(
                    "sweeps {{outcome}}",
                    "60 * " + per_second("fogbell_sweeps_total{@}", "outcome", of="max"),
                ),
                Series(
                    "settled",
                    "60 * " + per_second("fogbell_notifications_settled_total{@}", of="max"),
                ),
                Series(
                    "purged",
                    "60 * " + per_second("fogbell_notifications_purged_total{@}", of="max"),
                ),
            ),
            width=6,
        ),
        Panel(
            "What should not be",
            "Records without a claim, messages of nobody's, expansions that a defect ended.",
            Unit.PER_SECOND,
            (
                Series("claims lost", per_second("fogbell_claim_lost_total{@}")),
                Series("undecodable", per_second("fogbell_messages_undecodable_total{@}")),
                Series(
                    "expansions {{outcome}}",
                    per_second("fogbell_expansion_failures_total{@}", "outcome"),
                ),
            ),
            width=6,
        ),
    ),
)
_MONGODB = Row(
    "MongoDB, as its clients see it",
    (
        Panel(
            "Commands",
            "A second.",
            Unit.PER_SECOND,
            (Series("{{command}}", per_second(f"{_COMMANDS}_count{{@}}", "command")),),
            Shape.STACK,
            width=8,
        ),
        Panel(
            "99 of 100 answered within",
            "By command.",
            Unit.SECONDS,
            (Series("{{command}}", quantile(0.99, f"{_COMMANDS}_bucket{{@}}", "command")),),
            width=8,
        ),
        Panel(
            "Failed",
            "Refused, or without an answer, a second. An election has some.",
            Unit.PER_SECOND,
            (
                Series(
                    "{{component}} {{command}}",
                    per_second("fogbell_mongodb_command_failures_total{@}", "component", "command"),
                ),
            ),
            width=8,
        ),
    ),
)
_RABBITMQ = Row(
    "RabbitMQ, as its clients see it",
    (
        Panel(
            "Published",
            "Messages a second.",
            Unit.PER_SECOND,
            (Series("{{outcome}}", per_second("fogbell_publish_total{@}", "outcome")),),
            Shape.STACK,
            width=8,
        ),
        Panel(
            "Confirmed within",
            "The turn in the window of confirms included.",
            Unit.SECONDS,
            (
                Series("half", quantile(0.5, _PUBLISHED)),
                Series("99 of 100", quantile(0.99, _PUBLISHED)),
            ),
            width=8,
        ),
        Panel(
            "Connections",
            "Usable ones, by what they are for.",
            Unit.COUNT,
            (Series("{{connection}}", "sum by (connection) (fogbell_rabbitmq_connected{@})"),),
            width=8,
        ),
    ),
)
_PROCESSES = Row(
    "Processes",
    (
        Panel(
            "CPU",
            "Cores. A process uses hardly more than one: at 1 it is full.",
            Unit.COUNT,
            (Series("{{component}} {{pod}}", f"rate(process_cpu_seconds_total{{@}}[{RATE}])"),),
            width=8,
        ),
        Panel(
            "Memory",
            "Resident.",
            Unit.BYTES,
            (Series("{{component}} {{pod}}", "process_resident_memory_bytes{@}"),),
            width=8,
        ),
        Panel(
            "Versions",
            "Processes of each.",
            Unit.COUNT,
            (
                Series(
                    "{{component}} {{version}}",
                    "count by (component, version) (fogbell_build_info{@})",
                ),
            ),
            width=8,
        ),
    ),
)
_RUNS = Row(
    "Runs",
    (
        Panel(
            "Inserted",
            "Deliveries that runners have inserted, a second, while they live.",
            Unit.PER_SECOND,
            (Series("", per_second("fogbell_campaign_run_inserted_total{@}")),),
        ),
    ),
)

PLUMBING = Board(
    "fogbell-plumbing",
    "Fogbell: plumbing",
    "Queues, sweep, MongoDB and RabbitMQ as Fogbell's processes see them, and the processes.",
    (_QUEUES, _SWEEP, _MONGODB, _RABBITMQ, _PROCESSES, _RUNS),
)

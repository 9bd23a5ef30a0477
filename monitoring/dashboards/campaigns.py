"""Do Campaigns run, and how far are they?"""

from monitoring.dashboards.board import Board, Panel, Row, Series, Shape, Unit
from monitoring.queries import per_second

_RUN = "fogbell_campaign_run_deliveries{@%s}"

CAMPAIGNS = Board(
    "fogbell-campaigns",
    "Fogbell: Campaigns",
    "Which run next, how far the last runs are, and what holds them.",
    (
        Row(
            "Schedule",
            (
                Panel(
                    "Ready",
                    "Whether its runs will start. `kubectl describe campaign` says why not.",
                    Unit.YES_NO,
                    (Series("{{campaign}}", "max by (campaign) (fogbell_campaign_ready{@})"),),
                    Shape.NUMBER,
                    width=6,
                    least=1,
                ),
                Panel(
                    "Next run",
                    "Absent where it is suspended, over or wrong.",
                    Unit.FROM_NOW,
                    (
                        Series(
                            "{{campaign}}",
                            "max by (campaign) (fogbell_campaign_next_run_timestamp_seconds{@})"
                            " * 1000",
                        ),
                    ),
                    Shape.NUMBER,
                    width=6,
                ),
                Panel(
                    "Overdue",
                    "For how long a run that should have begun has not.",
                    Unit.SECONDS,
                    (
                        Series(
                            "{{campaign}}",
                            "max by (campaign) (fogbell_campaign_run_overdue_seconds{@})",
                        ),
                    ),
                    Shape.NUMBER,
                    width=6,
                    alarming=120,
                ),
                Panel(
                    "Last run went well",
                    "Absent while one goes on.",
                    Unit.YES_NO,
                    (
                        Series(
                            "{{campaign}}",
                            "max by (campaign) (fogbell_campaign_last_run_succeeded{@})",
                        ),
                    ),
                    Shape.NUMBER,
                    width=6,
                    least=1,
                ),
            ),
        ),
        Row(
            "Last runs",
            (
                Panel(
                    "Deliveries by status",
                    "Of each Campaign's last run.",
                    Unit.COUNT,
                    (
                        Series(
                            "{{campaign}} {{status}}",
                            f"max by (campaign, status) ({_RUN % ''})",
                        ),
                    ),
                ),
                Panel(
                    "Settled",
                    "The share of a run that has ended, whichever way.",
                    Unit.SHARE,
                    (
                        Series(
                            "{{campaign}}",
                            "sum by (campaign) (max by (campaign, status) ("
                            + _RUN % ',status=~"delivered|dead|skipped|cancelled"'
                            + ")) / sum by (campaign) (max by (campaign, status) ("
                            + _RUN % ""
                            + "))",
                        ),
                    ),
                ),
                Panel(
                    "Delivered, and throttle",
                    "Deliveries of the run that providers took, a second; and how many people a"
                    " second it is held to, each of whom has one for each channel.",
                    Unit.PER_SECOND,
                    (
                        Series(
                            "{{campaign}}",
                            per_second(_RUN % ',status="delivered"', "campaign", of="max"),
                        ),
                        Series(
                            "{{campaign}} throttle",
                            "max by (campaign) (fogbell_campaign_throttle_per_second{@})",
                        ),
                    ),
                ),
                Panel(
                    "Put back untried",
                    "By reason: `rate_limited` is a throttle, or a provider's limit.",
                    Unit.PER_SECOND,
                    (
                        Series(
                            "{{channel}} {{reason}}",
                            per_second("fogbell_deliveries_deferred_total{@}", "channel", "reason"),
                        ),
                    ),
                ),
            ),
        ),
        Row(
            "Operator",
            (
                Panel(
                    "Looks at Campaigns",
                    "`failed`: Kubernetes could not be asked or told.",
                    Unit.PER_SECOND,
                    (
                        Series(
                            "{{outcome}}",
                            per_second("fogbell_operator_reconciles_total{@}", "outcome"),
                        ),
                    ),
                    width=8,
                ),
                Panel(
                    "Since all were looked at",
                    "At 120 s the operator ends itself, to be started anew.",
                    Unit.SECONDS,
                    (
                        Series(
                            "", "time() - max(fogbell_operator_last_resync_timestamp_seconds{@})"
                        ),
                    ),
                    width=8,
                ),
                Panel(
                    "Events and cancelled runs",
                    "Kubernetes Events that were told, and runs whose Campaign was deleted.",
                    Unit.PER_SECOND,
                    (
                        Series(
                            "events {{outcome}}",
                            per_second("fogbell_operator_events_total{@}", "outcome"),
                        ),
                        Series(
                            "runs cancelled",
                            per_second("fogbell_operator_runs_cancelled_total{@}"),
                        ),
                    ),
                    width=8,
                ),
            ),
        ),
    ),
)

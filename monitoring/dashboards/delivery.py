"""How do providers do?"""

from monitoring.dashboards.board import Board, Panel, Row, Series, Shape, Unit
from monitoring.queries import increase, per_second, quantile

_TOOK = "fogbell_delivery_duration_seconds"
_BUCKETS = f"{_TOOK}_bucket{{@}}"

DELIVERY = Board(
    "fogbell-delivery",
    "Fogbell: delivery",
    "Each provider's attempts, answers and latency, and whether it is left alone.",
    (
        Row(
            "Attempts",
            (
                Panel(
                    "Attempts",
                    "Tries at a provider that it answered, or did not, a second.",
                    Unit.PER_SECOND,
                    (
                        Series(
                            "{{channel}} {{provider}}",
                            per_second(f"{_TOOK}_count{{@}}", "channel", "provider"),
                        ),
                    ),
                    Shape.STACK,
                ),
                Panel(
                    "Outcomes",
                    "What became of the deliveries, a second.",
                    Unit.PER_SECOND,
                    (
                        Series(
                            "{{provider}} {{outcome}}",
                            per_second("fogbell_deliveries_total{@}", "provider", "outcome"),
                        ),
                    ),
                    Shape.STACK,
                ),
                Panel(
                    "Refusals by reason",
                    "Attempts that were not accepted: what it was, and why.",
                    Unit.PER_SECOND,
                    (
                        Series(
                            "{{provider}} {{outcome}} {{reason}}",
                            per_second(
                                "fogbell_attempts_failed_total{@}", "provider", "outcome", "reason"
                            ),
                        ),
                    ),
                ),
                Panel(
                    "Put back untried",
                    "No provider could be asked: `rate_limited`, `provider_busy` (its connections"
                    " are), `provider_unavailable` (left alone), `receiver_busy` (a webhook's).",
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
            "Latency and breakers",
            (
                Panel(
                    "Answered within",
                    "From the start of an attempt to the provider's answer.",
                    Unit.SECONDS,
                    (
                        Series("half, {{provider}}", quantile(0.5, _BUCKETS, "provider")),
                        Series("99 of 100, {{provider}}", quantile(0.99, _BUCKETS, "provider")),
                    ),
                    width=8,
                ),
                Panel(
                    "Answers",
                    "How many attempts took how long.",
                    Unit.SECONDS,
                    (Series("{{le}}", increase(_BUCKETS, "le")),),
                    Shape.HEAT,
                    width=8,
                ),
                Panel(
                    "Left alone",
                    "Workers whose circuit breaker is open for it, until their next send there.",
                    Unit.COUNT,
                    (
                        Series(
                            "{{channel}} {{provider}}",
                            "sum by (channel, provider) (fogbell_provider_breaker_open{@})",
                        ),
                    ),
                    width=8,
                ),
            ),
        ),
        Row(
            "Bounds",
            (
                Panel(
                    "Slots taken",
                    "The share of a lane's slots in which a send is under way. At 100 % more slots,"
                    " or more workers, would send faster, if the provider takes it.",
                    Unit.SHARE,
                    (
                        Series(
                            "{{channel}} {{lane}}",
                            "sum by (channel, lane) (fogbell_send_slots_taken{@})"
                            " / sum by (channel, lane) (fogbell_send_slots{@})",
                        ),
                    ),
                ),
                Panel(
                    "Rate, and its limit",
                    "Tries at a provider, and how many it is to have at most.",
                    Unit.PER_SECOND,
                    (
                        Series(
                            "{{channel}} {{provider}}",
                            per_second(f"{_TOOK}_count{{@}}", "channel", "provider"),
                        ),
                        Series(
                            "{{channel}} {{provider}} limit",
                            "max by (channel, provider)"
                            " (fogbell_provider_rate_limit_per_second{@})",
                        ),
                    ),
                ),
            ),
        ),
        Row(
            "Content",
            (
                Panel(
                    "Unknown variables",
                    "Variables that a template named and nobody provided.",
                    Unit.PER_SECOND,
                    (
                        Series(
                            "{{component}}",
                            per_second("fogbell_template_unknown_variables_total{@}", "component"),
                        ),
                    ),
                ),
                Panel(
                    "Callbacks",
                    "Events told to senders' endpoints; their sending counts as webhooks.",
                    Unit.PER_SECOND,
                    (
                        Series(
                            "{{event}}",
                            per_second("fogbell_callbacks_created_total{@}", "event", of="max"),
                        ),
                    ),
                ),
            ),
        ),
    ),
)

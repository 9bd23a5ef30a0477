"""Are we delivering?"""

from monitoring.dashboards.board import Board, Panel, Row, Series, Shape, Unit
from monitoring.objective import BUDGET, late
from monitoring.queries import increase, per_second, quantile

_DELIVERIES = "fogbell_deliveries_total{@%s}"
_DELIVERED = _DELIVERIES % ',outcome="delivered"'
_DEAD = per_second(_DELIVERIES % ',outcome="dead"', window="30m")
_OLDEST = 'fogbell_oldest_outstanding_seconds{@,lane="transactional"}'
_ENDED = per_second(_DELIVERIES % ',outcome=~"delivered|dead"', window="30m")
_TOOK = "fogbell_end_to_end_seconds_bucket{@%s}"
_TRANSACTIONAL = _TOOK % ',lane="transactional"'
_POSTS = 'fogbell_http_request_duration_seconds_bucket{@,method="POST",route="/v1/notifications"}'

_NOW = Row(
    "Are we delivering?",
    (
        Panel(
            "Delivered",
            "Deliveries that providers took, a second.",
            Unit.PER_SECOND,
            (Series("", per_second(_DELIVERED)),),
            Shape.NUMBER,
            width=5,
        ),
        Panel(
            "Success",
            "Of what ended within half an hour, the share that was delivered; the rest is dead.",
            Unit.SHARE,
            (Series("", f"1 - {_DEAD} / {_ENDED}"),),
            Shape.NUMBER,
            width=5,
            least=0.95,
        ),
        Panel(
            "Transactional, oldest due",
            "By how much the most overdue transactional delivery is past its time.",
            Unit.SECONDS,
            (Series("", f"max({_OLDEST})"),),
            Shape.NUMBER,
            width=5,
            alarming=120,
        ),
        Panel(
            "Outstanding",
            "Deliveries that are not settled, as the last minute's count has it.",
            Unit.COUNT,
            (Series("", "sum(max by (status) (fogbell_outstanding{@}))"),),
            Shape.NUMBER,
            width=5,
        ),
        Panel(
            "Budget's burn",
            "How many times as fast as it may the objective's budget is used up, over an hour.",
            Unit.TIMES,
            (Series("", f"({late('1h')}) / {BUDGET}"),),
            Shape.NUMBER,
            width=4,
            alarming=1,
        ),
    ),
)
_TRAFFIC = Row(
    "Traffic",
    (
        Panel(
            "Accepted",
            "Notifications answered 202, a second.",
            Unit.PER_SECOND,
            (
                Series(
                    "{{lane}}",
                    per_second("fogbell_notifications_accepted_total{@}", "lane"),
                ),
            ),
            width=8,
        ),
        Panel(
            "Deliveries by outcome",
            "Records a second. One delivery may be failed several times.",
            Unit.PER_SECOND,
            (Series("{{outcome}}", per_second(_DELIVERIES % "", "outcome")),),
            Shape.STACK,
            width=8,
        ),
        Panel(
            "Delivered by channel",
            "Deliveries that providers took, a second.",
            Unit.PER_SECOND,
            (Series("{{channel}}", per_second(_DELIVERED, "channel")),),
            Shape.STACK,
            width=8,
        ),
    ),
)
_LATENCY = Row(
    "From accepted to delivered",
    (
        Panel(
            "Transactional, 99 of 100 within",
            "Waiting and retries included.",
            Unit.SECONDS,
            (Series("{{channel}}", quantile(0.99, _TRANSACTIONAL, "channel")),),
            width=8,
        ),
        Panel(
            "Half within",
            "By channel and lane.",
            Unit.SECONDS,
            (Series("{{channel}} {{lane}}", quantile(0.5, _TOOK % "", "channel", "lane")),),
            width=8,
        ),
        Panel(
            "Transactional, all",
            "How many took how long.",
            Unit.SECONDS,
            (Series("{{le}}", increase(_TRANSACTIONAL, "le")),),
            Shape.HEAT,
            width=8,
        ),
    ),
)
_WAITING = Row(
    "What waits",
    (
        Panel(
            "Oldest due",
            "0 where nothing is overdue. It grows as well where nobody sweeps.",
            Unit.SECONDS,
            (
                Series(
                    "{{channel}} {{lane}}",
                    "max by (channel, lane) (fogbell_oldest_outstanding_seconds{@})",
                ),
            ),
            width=6,
        ),
        Panel(
            "Not claimed in time",
            "Deliveries that no worker took up within their grace. In the bulk lane a backlog.",
            Unit.PER_SECOND,
            (
                Series(
                    "{{channel}} {{lane}}",
                    per_second("fogbell_sweep_unclaimed_total{@}", "channel", "lane", of="max"),
                ),
            ),
            width=6,
        ),
        Panel(
            "Outstanding by status",
            "Deliveries that are not settled, counted once a minute.",
            Unit.COUNT,
            (Series("{{status}}", "max by (status) (fogbell_outstanding{@})"),),
            Shape.STACK,
            width=6,
        ),
        Panel(
            "Budget's burn over time",
            "1: the month's budget lasts a month. 14.4 for an hour wakes somebody up.",
            Unit.TIMES,
            tuple(Series(w, f"({late(w)}) / {BUDGET}") for w in ("5m", "1h", "6h", "1d")),
            width=6,
        ),
    ),
)
_INTAKE = Row(
    "Intake",
    (
        Panel(
            "Requests by answer",
            "Requests a second.",
            Unit.PER_SECOND,
            (Series("{{code}}", per_second("fogbell_http_requests_total{@}", "code")),),
            Shape.STACK,
            width=8,
        ),
        Panel(
            "Posts answered within",
            "POST /v1/notifications.",
            Unit.SECONDS,
            (Series("half", quantile(0.5, _POSTS)), Series("99 of 100", quantile(0.99, _POSTS))),
            width=8,
        ),
        Panel(
            "Open",
            "Requests that are open, and live inbox streams among them.",
            Unit.COUNT,
            (
                Series("requests", "sum(fogbell_http_requests_in_progress{@})"),
                Series("streams", "sum(fogbell_inbox_streams{@})"),
            ),
            width=8,
        ),
    ),
)

OVERVIEW = Board(
    "fogbell-overview",
    "Fogbell: overview",
    "Are we delivering, how long does it take, and what waits?",
    (_NOW, _TRAFFIC, _LATENCY, _WAITING, _INTAKE),
    text="Figures name nobody. **Did Ann get it?** `GET /v1/recipients/{id}/deliveries` of the"
    " interface answers, and `GET /v1/notifications/{id}/deliveries?status=dead` says who did not,"
    " and why.",
)

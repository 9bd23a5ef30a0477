"""What wakes people up, and what waits for the morning.

The objective: so large a share of the transactional deliveries that arrive does so within so many
seconds of being accepted, over 30 days. Burn rates and windows follow Google's "The Site
Reliability Workbook", chapter 5, "Multiwindow, Multi-Burn-Rate Alerts".

``python -m monitoring.alerts`` writes the rules to where the chart has them.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from monitoring.pages import DOCS, write
from monitoring.queries import hastened, placed, shorter


@dataclass(frozen=True, slots=True)
class Objective:
    """The ``share`` of transactional deliveries that arrive within ``seconds``.

    These are one of the bounds of `fogbell_end_to_end_seconds`.
    """

    share: float = 0.99
    seconds: float = 30.0


SECONDS: Final = "@seconds"

IN_TIME, BUDGET = "@in_time", "@budget"
"""Where an objective comes in: its seconds as Prometheus writes them, and the share left over."""

PAGE, TICKET = "page", "ticket"
"""Severities: now, and in the morning."""

DOCUMENT: Final = DOCS / "operations.md"
RULES: Final = Path(__file__).parents[1] / "charts" / "fogbell" / "files" / "alerts.yaml"


@dataclass(frozen=True, slots=True)
class Alert:
    """One rule. ``lasting`` is Prometheus' ``for``; ``summary`` may name labels of the result.

    ``seconds`` stand in the expression where `SECONDS` is. An ``operator``'s alert is about
    Campaigns: where there is none, it is left out.
    """

    name: str
    expression: str
    lasting: str
    severity: str
    summary: str
    seconds: float = 0.0
    operator: bool = False

    @property
    def runbook(self) -> str:
        """Its page's name: ``FogbellNoConsumers`` has ``no-consumers``."""
        words = "".join(f"-{c.lower()}" if c.isupper() else c for c in self.name)
        return words.removeprefix("-fogbell-")


def arrivals(window: str) -> str:
    """Transactional deliveries that arrived, a second."""
    return f'sum(rate(fogbell_end_to_end_seconds_count{{@,lane="transactional"}}[{window}]))'


def in_time(window: str) -> str:
    """Those of them that were not late."""
    buckets = f'fogbell_end_to_end_seconds_bucket{{@,lane="transactional",le="{IN_TIME}"}}'
    return f"sum(rate({buckets}[{window}]))"


def late(window: str) -> str:
    """The share of transactional deliveries that arrived late."""
    return f"1 - {in_time(window)} / {arrivals(window)}"


def burns(rate: float, long: str, short: str) -> str:
    """Whether the objective's budget burns ``rate`` times as fast as it may, still now.

    One late mail of three says nothing: `FLOOR` of them a second have to be late.
    """
    allowed = f"{rate} * {BUDGET}"
    many = f"({arrivals(short)} - {in_time(short)}) > {FLOOR}"
    return f"({late(long)}) > {allowed} and ({late(short)}) > {allowed} and {many}"


def overdue(lane: str) -> str:
    """Whether something of ``lane`` is past its time by too much."""
    oldest = f'fogbell_oldest_outstanding_seconds{{@,lane="{lane}"}}'
    return f"max by (channel) ({oldest}) > {SECONDS}"


def share_low(channels: str) -> str:
    """Whether too much of what ends in ``channels``, a matcher, is dead, and enough ends."""
    dead = f'sum by (channel) (rate(fogbell_deliveries_total{{@,outcome="dead",{channels}}}[30m]))'
    ended = (
        "sum by (channel) (rate(fogbell_deliveries_total"
        f'{{@,outcome=~"delivered|dead",{channels}}}[30m]))'
    )
    return f"1 - {dead} / {ended} < 0.95 and {ended} > {FLOOR}"


FLOOR: Final = 0.02
"""Deliveries a second: below, a share says nothing."""

_PEOPLE, _RECEIVERS = 'channel!="webhook"', 'channel="webhook"'
_FAILURES = 'sum(rate(fogbell_http_requests_total{@,code=~"5.."}[5m]))'
_ANSWERS = "sum(rate(fogbell_http_requests_total{@}[5m]))"
_UNSENT = 'sum by (campaign) (fogbell_campaign_run_deliveries{@,status=~"pending|sending"}%s)'
_MOVES = "sum by (campaign) (changes(fogbell_campaign_run_deliveries{@}[30m]))"
_BREAKER = "max by (channel, provider) (fogbell_provider_breaker_open{@})"
_TRIES = "sum by (channel, provider) (increase(fogbell_attempts_failed_total{@}[10m]))"
_DONE = (
    'sum by (channel, provider) (increase(fogbell_deliveries_total{@,outcome="delivered"}[10m]))'
)
_DEAD = 'fogbell_deliveries_total{@,outcome="dead"}'
_UNSUCCESSFUL = (
    "sum by (channel) (increase(fogbell_deliveries_total"
    f'{{@,outcome=~"failed|dead",{_PEOPLE}}}[15m]))'
)
_SUCCESSFUL = 'sum by (channel) (increase(fogbell_deliveries_total{@,outcome="delivered"}[15m]))'

ALERTS: Final = (
    Alert(
        "FogbellObjectiveBurnsFast",
        burns(14.4, "1h", "5m"),
        "2m",
        PAGE,
        "Transactional deliveries are late: at this rate a month's budget is gone in two days.",
    ),
    Alert(
        "FogbellObjectiveBurnsSlowly",
        burns(3, "1d", "2h"),
        "15m",
        TICKET,
        "Transactional deliveries are late: at this rate a month's budget is gone in ten days.",
    ),
    Alert(
        "FogbellNobodyClaims",
        "sum by (channel) (max by (channel, lane) (increase(fogbell_sweep_unclaimed_total"
        '{@,lane="transactional"}[10m]))) > 0',
        "5m",
        PAGE,
        "Transactional {{ $labels.channel }} waits, and no worker takes it up.",
    ),
    Alert(
        "FogbellDeliveriesOverdue",
        overdue("transactional"),
        "5m",
        PAGE,
        "Transactional {{ $labels.channel }} is due since {{ $value | humanizeDuration }}, and is"
        " not given to any worker.",
        seconds=120,
    ),
    Alert(
        "FogbellBulkOverdue",
        overdue("bulk"),
        "15m",
        TICKET,
        "Bulk {{ $labels.channel }} is due since {{ $value | humanizeDuration }}.",
        seconds=3600,
    ),
    Alert(
        "FogbellNothingDelivered",
        f"{_UNSUCCESSFUL} >= 5 unless {_SUCCESSFUL} > 0",
        "5m",
        PAGE,
        "Nothing of {{ $labels.channel }} is delivered, and {{ $value | humanize }} tries failed.",
    ),
    Alert(
        "FogbellSuccessShareLow",
        share_low(_PEOPLE),
        "10m",
        PAGE,
        "Only {{ $value | humanizePercentage }} of {{ $labels.channel }} is delivered.",
    ),
    Alert(
        "FogbellWebhooksDie",
        share_low(_RECEIVERS),
        "10m",
        TICKET,
        "Only {{ $value | humanizePercentage }} of webhooks is taken.",
    ),
    Alert(
        "FogbellDeliveriesDead",
        f"sum by (channel, provider) (increase({_DEAD}[1h])) > 20",
        "5m",
        TICKET,
        "{{ $value | humanize }} deliveries of {{ $labels.channel }} were given up on within an"
        " hour, at {{ $labels.provider }}.",
    ),
    Alert(
        "FogbellDeadLetters",
        'max(fogbell_queue_messages{@,queue="dead"}) > 0',
        "5m",
        TICKET,
        "{{ $value }} messages that no worker can read.",
    ),
    Alert(
        "FogbellNoConsumers",
        'max by (queue) (fogbell_queue_messages{@,queue!="dead"}) > 0'
        ' and max by (queue) (fogbell_queue_consumers{@,queue!="dead"}) == 0',
        "3m",
        PAGE,
        "{{ $value }} messages wait in {{ $labels.queue }}, and no worker takes them.",
    ),
    Alert(
        "FogbellSweepAbsent",
        f"time() - max(fogbell_sweep_last_timestamp_seconds{{@}}) > {SECONDS}",
        "1m",
        PAGE,
        "No sweep has ended well for {{ $value | humanizeDuration }}: nothing is tried again.",
        seconds=180,
    ),
    Alert(
        "FogbellNothingKnown",
        "absent(fogbell_sweep_last_timestamp_seconds{@})",
        "5m",
        PAGE,
        "Intake is not there or is not scraped, or no sweep has ever ended well: most alerts are"
        " blind.",
    ),
    Alert(
        "FogbellWorkersAbsent",
        'absent(fogbell_build_info{@,component="worker"})',
        "5m",
        PAGE,
        "There is no worker, or it is not scraped: nothing is sent.",
    ),
    Alert(
        "FogbellLeasesLost",
        'max(increase(fogbell_sweep_released_total{@,reason="lease_expired"}[15m])) > 0',
        "30m",
        TICKET,
        "Workers die or hang again and again: each time some duplicates are possible.",
    ),
    Alert(
        "FogbellIntakeFails",
        f"{_FAILURES} / {_ANSWERS} > 0.05 and {_FAILURES} > {FLOOR}",
        "3m",
        PAGE,
        "Intake answers {{ $value | humanizePercentage }} of its requests with 5xx.",
    ),
    Alert(
        "FogbellIntakeSlow",
        "histogram_quantile(0.99, sum by (le) (rate("
        'fogbell_http_request_duration_seconds_bucket{@,method="POST",route="/v1/notifications"}[5m]'
        "))) > 1",
        "10m",
        TICKET,
        "One post of a hundred takes longer than {{ $value | humanizeDuration }}.",
    ),
    Alert(
        "FogbellRabbitmqAway",
        'max by (component) (fogbell_rabbitmq_connected{@,connection="publisher"}) == 0',
        "2m",
        PAGE,
        "{{ $labels.component }} does not reach RabbitMQ: what it publishes waits.",
    ),
    Alert(
        "FogbellPublishFails",
        'sum(rate(fogbell_publish_total{@,outcome="failed"}[5m])) > 0',
        "10m",
        TICKET,
        "RabbitMQ does not confirm what is published: it comes late.",
    ),
    Alert(
        "FogbellBreakerOpen",
        f"{_BREAKER} == 1 and {_TRIES} > 0 unless {_DONE} > 0",
        "5m",
        PAGE,
        "{{ $labels.provider }} ({{ $labels.channel }}) fails, and is left alone.",
    ),
    Alert(
        "FogbellExpansionGivenUp",
        'sum(increase(fogbell_expansion_failures_total{@,outcome="given_up"}[1h])) > 0',
        "0m",
        TICKET,
        "A notification has stopped half-way, until somebody replays it.",
    ),
    Alert(
        "FogbellOperatorStale",
        "time() - max(max_over_time(fogbell_operator_last_resync_timestamp_seconds{@}[30m]))"
        f" > {SECONDS}",
        "2m",
        TICKET,
        "The operator has not looked at all Campaigns for {{ $value | humanizeDuration }}.",
        seconds=90,
        operator=True,
    ),
    Alert(
        "FogbellOperatorAbsent",
        "absent_over_time(fogbell_operator_last_resync_timestamp_seconds{@}[10m])",
        "5m",
        TICKET,
        "There is no operator, or it is not scraped: Campaigns are not looked after.",
        operator=True,
    ),
    Alert(
        "FogbellCampaignNotReady",
        "max by (campaign) (fogbell_campaign_ready{@}) == 0",
        "5m",
        TICKET,
        "Campaign {{ $labels.campaign }} will not run.",
        operator=True,
    ),
    Alert(
        "FogbellCampaignRunMissed",
        f"max by (campaign) (fogbell_campaign_run_overdue_seconds{{@}}) > {SECONDS}",
        "1m",
        PAGE,
        "Campaign {{ $labels.campaign }} should have begun a run"
        " {{ $value | humanizeDuration }} ago.",
        seconds=120,
        operator=True,
    ),
    Alert(
        "FogbellCampaignRunStuck",
        f"{_UNSENT % ''} > 0 and {_UNSENT % ' offset 30m'} > 0 and {_MOVES} == 0",
        "5m",
        PAGE,
        "{{ $value }} deliveries of Campaign {{ $labels.campaign }} wait, and none has moved for"
        " half an hour.",
        operator=True,
    ),
    Alert(
        "FogbellCampaignRunFailed",
        "max by (campaign) (fogbell_campaign_last_run_succeeded{@}) == 0",
        "1m",
        TICKET,
        "The last run of Campaign {{ $labels.campaign }} did not go well.",
        operator=True,
    ),
)


def rules(
    matchers: str, objective: Objective | None = None, *, factor: float = 1.0
) -> dict[str, Any]:
    """The alerts of the installation that ``matchers`` choose, as a file of Prometheus' rules has
    them.

    Whoever cannot wait for hours takes a ``factor``: every duration is as many times as short.
    """
    aim = objective or Objective()
    document = _document(factor)
    for group in document["groups"]:
        for rule in group["rules"]:
            expression = rule["expr"].replace(IN_TIME, f"{aim.seconds:.1f}")
            expression = expression.replace(BUDGET, f"{1 - aim.share:.6g}")
            rule["expr"] = placed(expression, matchers)
    return document


def text() -> str:
    """The alerts as the chart keeps them, to be placed by it."""
    return yaml.safe_dump(_document(), sort_keys=False, width=1_000)


def _document(factor: float = 1.0) -> dict[str, Any]:
    groups = {"fogbell": False, "fogbell-operator": True}
    return {
        "groups": [
            {"name": name, "rules": [_rule(a, factor) for a in ALERTS if a.operator == operator]}
            for name, operator in groups.items()
        ]
    }


def _rule(alert: Alert, factor: float) -> dict[str, Any]:
    expression = alert.expression.replace(SECONDS, f"{alert.seconds / factor:g}")
    lasting = alert.lasting
    if factor != 1:
        expression, lasting = hastened(expression, factor), shorter(lasting, factor)
    return {
        "alert": alert.name,
        "expr": expression,
        "for": lasting,
        "labels": {"severity": alert.severity},
        "annotations": {"summary": alert.summary, "runbook_url": f"{alert.runbook}.md"},
    }


def table() -> str:
    """The alerts as Markdown, for docs/operations.md."""
    lines = ["| alert | how urgent | holds for | says |", "|---|---|---|---|"]
    for alert in ALERTS:
        link = f"[{alert.name}](runbooks/{alert.runbook}.md)"
        says = re.sub(r"{{ \$(?:labels\.)?(\w+)[^}]*}}", r"*\1*", alert.summary)
        lines.append(f"| {link} | {alert.severity} | {alert.lasting} | {says} |")
    return "\n".join(lines)


if __name__ == "__main__":
    RULES.write_text(text())
    write(DOCUMENT, "alerts", table())

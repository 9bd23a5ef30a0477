"""What wakes people up, and what waits for the morning."""

from dataclasses import dataclass
from typing import Final

from monitoring.objective import FLOOR, burns
from monitoring.queries import increase, per_second, quantile

SECONDS: Final = "@seconds"
"""Where an alert's seconds come in."""

PAGE, TICKET = "page", "ticket"
"""Severities: now, and in the morning."""


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


def overdue(lane: str) -> str:
    """Whether something of ``lane`` is past its time by too much."""
    oldest = f'fogbell_oldest_outstanding_seconds{{@,lane="{lane}"}}'
    return f"max by (channel) ({oldest}) > {SECONDS}"


def share_low(channels: str) -> str:
    """Whether too much of what ends in ``channels``, a matcher, is dead, and enough ends."""
    dead = per_second(_deliveries("dead", channels), "channel", window="30m")
    ended = per_second(_deliveries("delivered|dead", channels), "channel", window="30m")
    return f"1 - {dead} / {ended} < 0.95 and {ended} > {FLOOR}"


def _deliveries(outcomes: str, channels: str = "") -> str:
    operator = "=~" if "|" in outcomes else "="
    more = f",{channels}" if channels else ""
    return f'fogbell_deliveries_total{{@,outcome{operator}"{outcomes}"{more}}}'


_PEOPLE, _RECEIVERS = 'channel!="webhook"', 'channel="webhook"'
_FAILURES = per_second('fogbell_http_requests_total{@,code=~"5.."}', window="5m")
_ANSWERS = per_second("fogbell_http_requests_total{@}", window="5m")
_UNSENT = 'sum by (campaign) (fogbell_campaign_run_deliveries{@,status=~"pending|sending"}%s)'
_MOVES = "sum by (campaign) (changes(fogbell_campaign_run_deliveries{@}[30m]))"
_BREAKER = "max by (channel, provider) (fogbell_provider_breaker_open{@})"
_AT = ("channel", "provider")
_TRIES = increase("fogbell_attempts_failed_total{@}", *_AT, window="10m")
_DONE = increase(_deliveries("delivered"), *_AT, window="10m")
_UNSUCCESSFUL = increase(_deliveries("failed|dead", _PEOPLE), "channel", window="15m")
_SUCCESSFUL = increase(_deliveries("delivered"), "channel", window="15m")
_UNCLAIMED = increase(
    'fogbell_sweep_unclaimed_total{@,lane="transactional"}',
    "channel",
    "lane",
    of="max",
    window="10m",
)
_EXPIRED = 'fogbell_sweep_released_total{@,reason="lease_expired"}'
_UNCONFIRMED = 'fogbell_publish_total{@,outcome="failed"}'
_GIVEN_UP = 'fogbell_expansion_failures_total{@,outcome="given_up"}'
_POSTS = 'fogbell_http_request_duration_seconds_bucket{@,method="POST",route="/v1/notifications"}'

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
        f"sum by (channel) ({_UNCLAIMED}) > 0",
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
        f"{increase(_deliveries('dead'), *_AT, window='1h')} > 20",
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
        f"{increase(_EXPIRED, of='max', window='15m')} > 0",
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
        f"{quantile(0.99, _POSTS, window='5m')} > 1",
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
        f"{per_second(_UNCONFIRMED, window='5m')} > 0",
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
        f"{increase(_GIVEN_UP, window='1h')} > 0",
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
        # One that is started anew again and again has served nothing but NaN.
        "absent(max_over_time(fogbell_operator_last_resync_timestamp_seconds{@}[10m]) > 0)",
        "5m",
        TICKET,
        "There is no operator, it is not scraped, or it never gets through: Campaigns are not"
        " looked after.",
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

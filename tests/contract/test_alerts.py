"""Every alert fires when it should and is silent when it should be, by Prometheus' own programs.

The rules run as they are shipped, windows and times included, on series that stand here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from monitoring.alerts import ALERTS
from monitoring.queries import matchers, used
from monitoring.rules import RULES, rules, text
from tests.support.promtool import checked, checked_rules

HERE = {"namespace": "notify", "release": "fogbell"}
ELSEWHERE = {"namespace": "test", "release": "fogbell"}
NAMES = [alert.name for alert in ALERTS]

Series = Mapping[str, str]
"""Values in promtool's notation, one a minute, by a metric with its labels."""

MAILS = 'fogbell_deliveries_total{channel="email",provider="relay",outcome="%s"}'
POSTS = 'fogbell_http_requests_total{method="POST",route="/v1/notifications",code="%s"}'
TOOK = (
    'fogbell_http_request_duration_seconds_bucket{method="POST",route="/v1/notifications",le="%s"}'
)
RUN = 'fogbell_campaign_run_deliveries{campaign="nightly",status="%s"}'


def end_to_end(in_time: str, all_of_them: str) -> Series:
    """Transactional mails: those that arrived in time, and all."""
    name, labels = "fogbell_end_to_end_seconds", 'channel="email",lane="transactional"'
    return {
        f'{name}_bucket{{{labels},le="30.0"}}': in_time,
        f"{name}_count{{{labels}}}": all_of_them,
    }


def oldest(lane: str, values: str) -> Series:
    return {f'fogbell_oldest_outstanding_seconds{{channel="email",lane="{lane}"}}': values}


def queue(messages: str, consumers: str, name: str = "email.bulk") -> Series:
    return {
        f'fogbell_queue_messages{{queue="{name}"}}': messages,
        f'fogbell_queue_consumers{{queue="{name}"}}': consumers,
    }


@dataclass(frozen=True, slots=True)
class Case:
    """Series at which an alert fires after ``at`` minutes, and some at which it does not."""

    at: int
    fires: Series
    silent: tuple[Series, ...]


UNCLAIMED = 'fogbell_sweep_unclaimed_total{channel="email",lane="%s"}'
BREAKER = 'fogbell_provider_breaker_open{channel="sms",provider="gateway"}'
TRIES = (
    'fogbell_attempts_failed_total{channel="sms",provider="gateway",outcome="transient",reason="x"}'
)
TEXTS = 'fogbell_deliveries_total{channel="sms",provider="gateway",outcome="%s"}'
HOOKS = 'fogbell_deliveries_total{channel="webhook",provider="webhook",outcome="%s"}'
RESYNC = "fogbell_operator_last_resync_timestamp_seconds"
SWEPT = "fogbell_sweep_last_timestamp_seconds"
UNKNOWN = " ".join(["NaN"] * 10)
BUILD = 'fogbell_build_info{component="%s"}'

CASES: Mapping[str, Case] = {
    "FogbellObjectiveBurnsFast": Case(
        90,
        end_to_end("0+80x100", "0+100x100"),
        (
            end_to_end("0+90x100", "0+100x100"),
            # It was bad for an hour, and is over.
            end_to_end("0+0x60 100+100x40", "0+100x100"),
            end_to_end("0+0x100", "0+0x100"),
            # One that is late and nobody else says nothing.
            end_to_end("0x100", "0x88 1x12"),
        ),
    ),
    "FogbellObjectiveBurnsSlowly": Case(
        1500,
        end_to_end("0+95x1600", "0+100x1600"),
        (end_to_end("0+98x1600", "0+100x1600"), end_to_end("0x1600", "0x1400 3x200")),
    ),
    "FogbellNobodyClaims": Case(
        20,
        {UNCLAIMED % "transactional": "0x5 1x5 2x10 3x10"},
        (
            {UNCLAIMED % "transactional": "3x30"},
            # A long queue is normal there.
            {UNCLAIMED % "bulk": "0+9x30"},
        ),
    ),
    "FogbellDeliveriesOverdue": Case(
        8,
        oldest("transactional", "121x10"),
        (oldest("transactional", "119x10"), oldest("bulk", "121x10")),
    ),
    "FogbellBulkOverdue": Case(
        17,
        oldest("bulk", "3601x20"),
        (oldest("bulk", "3599x20"), oldest("transactional", "3601x20")),
    ),
    "FogbellNothingDelivered": Case(
        25,
        {MAILS % "failed": "0+2x40", MAILS % "delivered": "7x40"},
        (
            {MAILS % "failed": "0+2x40", MAILS % "delivered": "0+1x40"},
            {MAILS % "failed": "0x10 3x30", MAILS % "delivered": "7x40"},
            # Another's server.
            {HOOKS % "failed": "0+2x40", HOOKS % "delivered": "7x40"},
        ),
    ),
    "FogbellSuccessShareLow": Case(
        45,
        {MAILS % "delivered": "0x60", MAILS % "dead": "0+10x60"},
        (
            {MAILS % "delivered": "0+96x60", MAILS % "dead": "0+4x60"},
            # One a minute says nothing.
            {MAILS % "delivered": "0x60", MAILS % "dead": "0+1x60"},
            {HOOKS % "delivered": "0+90x60", HOOKS % "dead": "0+10x60"},
        ),
    ),
    "FogbellWebhooksDie": Case(
        45,
        {HOOKS % "delivered": "0+90x60", HOOKS % "dead": "0+10x60"},
        (
            {HOOKS % "delivered": "0+96x60", HOOKS % "dead": "0+4x60"},
            {MAILS % "delivered": "0+90x60", MAILS % "dead": "0+10x60"},
        ),
    ),
    "FogbellDeliveriesDead": Case(
        70, {MAILS % "dead": "0x60 30x30"}, ({MAILS % "dead": "0x60 10x30"},)
    ),
    "FogbellDeadLetters": Case(
        7, queue("1x10", "0x10", "dead"), (queue("0x10", "0x10", "dead"), queue("1x10", "1x10"))
    ),
    "FogbellNoConsumers": Case(
        5,
        queue("5x10", "0x10"),
        (queue("5x10", "1x10"), queue("0x10", "0x10"), queue("5x10", "0x10", "dead")),
    ),
    "FogbellSweepAbsent": Case(6, {SWEPT: "0x10"}, ({SWEPT: "0+60x10"}, {})),
    "FogbellNothingKnown": Case(8, {BUILD % "worker": "1x10"}, ({SWEPT: "0+60x10"},)),
    "FogbellWorkersAbsent": Case(8, {BUILD % "intake": "1x10"}, ({BUILD % "worker": "1x10"},)),
    "FogbellLeasesLost": Case(
        60,
        {'fogbell_sweep_released_total{reason="lease_expired"}': "0+1x70"},
        (
            {'fogbell_sweep_released_total{reason="lease_expired"}': "0x20 5x50"},
            {'fogbell_sweep_released_total{reason="retry_due"}': "0+1x70"},
        ),
    ),
    "FogbellIntakeFails": Case(
        12,
        {POSTS % "202": "0+90x20", POSTS % "503": "0+10x20"},
        (
            {POSTS % "202": "0+96x20", POSTS % "503": "0+4x20"},
            {POSTS % "202": "0+90x20", POSTS % "422": "0+10x20"},
            {POSTS % "202": "0x20", POSTS % "503": "0+1x20"},
        ),
    ),
    "FogbellIntakeSlow": Case(
        20,
        {TOOK % "1.0": "0+90x30", TOOK % "2.5": "0+100x30", TOOK % "+Inf": "0+100x30"},
        ({TOOK % "0.5": "0+100x30", TOOK % "1.0": "0+100x30", TOOK % "+Inf": "0+100x30"},),
    ),
    "FogbellRabbitmqAway": Case(
        4,
        {
            'fogbell_rabbitmq_connected{connection="publisher",component="intake"}': "0x10",
            'fogbell_rabbitmq_connected{connection="publisher",component="worker"}': "1x10",
        },
        ({'fogbell_rabbitmq_connected{connection="publisher",component="intake"}': "1x10"},),
    ),
    "FogbellPublishFails": Case(
        18,
        {'fogbell_publish_total{outcome="failed"}': "0+1x20"},
        ({'fogbell_publish_total{outcome="confirmed"}': "0+1x20"},),
    ),
    "FogbellBreakerOpen": Case(
        12,
        {BREAKER: "1x20", TRIES: "0+1x20", TEXTS % "delivered": "5x20"},
        (
            {BREAKER: "1x3 0x20", TRIES: "0+1x20", TEXTS % "delivered": "5x20"},
            # It was open when the last traffic ended.
            {BREAKER: "1x20", TRIES: "5x20", TEXTS % "delivered": "5x20"},
            # Another process is served.
            {BREAKER: "1x20", TRIES: "0+1x20", TEXTS % "delivered": "0+9x20"},
        ),
    ),
    "FogbellExpansionGivenUp": Case(
        10,
        {'fogbell_expansion_failures_total{outcome="given_up"}': "0x5 1x10"},
        ({'fogbell_expansion_failures_total{outcome="tried_again"}': "0x5 1x10"},),
    ),
    "FogbellOperatorStale": Case(
        5,
        # It is started anew again and again, and knows nothing yet.
        {RESYNC: f"0 {UNKNOWN}"},
        ({RESYNC: "0+60x10"}, {RESYNC: UNKNOWN}),
    ),
    "FogbellOperatorAbsent": Case(
        26,
        # It is there, and has never got through since it was started anew.
        {RESYNC: f"0+60x10 {UNKNOWN} {UNKNOWN}"},
        ({RESYNC: "0+60x30"}, {RESYNC: f"0+60x10 {UNKNOWN} 1260+60x10"}),
    ),
    "FogbellCampaignNotReady": Case(
        7,
        {'fogbell_campaign_ready{campaign="nightly"}': "0x10"},
        ({'fogbell_campaign_ready{campaign="nightly"}': "0x3 1x10"},),
    ),
    "FogbellCampaignRunMissed": Case(
        5,
        {'fogbell_campaign_run_overdue_seconds{campaign="nightly"}': "121+60x10"},
        (
            {'fogbell_campaign_run_overdue_seconds{campaign="nightly"}': "0x10"},
            {'fogbell_campaign_run_overdue_seconds{campaign="nightly"}': "60x3 0x10"},
        ),
    ),
    "FogbellCampaignRunStuck": Case(
        50,
        {RUN % "pending": "5x60", RUN % "delivered": "95x60"},
        (
            {RUN % "pending": "60-1x60", RUN % "delivered": "0+1x60"},
            # What fails is tried again for up to three days.
            {RUN % "failed": "5x60", RUN % "delivered": "95x60"},
            # It has only begun.
            {RUN % "pending": "_x40 5x20", RUN % "delivered": "_x40 0x20"},
        ),
    ),
    "FogbellCampaignRunFailed": Case(
        3,
        {'fogbell_campaign_last_run_succeeded{campaign="nightly"}': "0x10"},
        ({'fogbell_campaign_last_run_succeeded{campaign="nightly"}': "1x10"},),
    ),
}
ABSENT = {"FogbellNothingKnown", "FogbellWorkersAbsent", "FogbellOperatorAbsent"}
"""They ring where there is nothing at all."""


def test_every_alert_has_a_case() -> None:
    assert CASES.keys() == set(NAMES)
    assert all(case.silent for case in CASES.values())


def rule_file(tmp_path: Path) -> Path:
    """The rules of one installation."""
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump(rules(HERE)))
    return path


def at_place(series: Series, place: Mapping[str, str]) -> list[Mapping[str, str]]:
    return [
        {
            "series": (name if "{" in name else f"{name}{{}}")
            .replace("{", f'{{{matchers(place)},instance="a",', 1)
            .replace(",}", "}"),
            "values": values,
        }
        for name, values in series.items()
    ]


def firing(name: str, series: list[Mapping[str, str]], at: int, count: int) -> Mapping[str, Any]:
    """A test of promtool's: so many alerts of that name fire after ``at`` minutes."""
    samples = [{"labels": "{}", "value": count}] if count else []
    expression = f'count(ALERTS{{alertname="{name}",alertstate="firing"}})'
    return {
        "interval": "1m",
        "input_series": series,
        "promql_expr_test": [{"expr": expression, "eval_time": f"{at}m", "exp_samples": samples}],
    }


def verdict(tmp_path: Path, *tests: Mapping[str, Any]) -> str:
    """What promtool says of the rules; empty where it is content."""
    document = {"rule_files": [str(rule_file(tmp_path))], "tests": list(tests)}
    path = tmp_path / "tests.yaml"
    path.write_text(yaml.safe_dump(document))
    done = checked("test", "rules", path)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_each_fires_when_it_should(tmp_path: Path) -> None:
    cases = CASES.items()
    tests = [firing(name, at_place(case.fires, HERE), case.at, 1) for name, case in cases]
    assert verdict(tmp_path, *tests) == ""


def test_each_is_silent_when_it_should_be(tmp_path: Path) -> None:
    tests = [
        firing(name, at_place(series, HERE), case.at, 0)
        for name, case in CASES.items()
        for series in (*case.silent, *([] if name in ABSENT else [{}]))
    ]
    assert verdict(tmp_path, *tests) == ""


def test_each_is_silent_about_other_installations(tmp_path: Path) -> None:
    tests = [
        firing(name, at_place(case.fires, ELSEWHERE), case.at, 0)
        for name, case in CASES.items()
        if name not in ABSENT
    ]
    assert verdict(tmp_path, *tests) == ""


def test_a_case_that_is_wrong_is_found(tmp_path: Path) -> None:
    case = CASES["FogbellDeadLetters"]
    wrong = firing("FogbellDeadLetters", at_place(case.fires, HERE), case.at, 0)
    assert "FogbellDeadLetters" in verdict(tmp_path, wrong)


def test_the_chart_has_them() -> None:
    assert RULES.read_text() == text(), "python -m monitoring.rules"


def test_the_rules_are_good_ones(tmp_path: Path) -> None:
    run = checked_rules(rules(HERE), tmp_path)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_each_asks_for_metrics_that_exist_and_for_one_installation(alert: Any) -> None:
    assert list(used(alert.expression))

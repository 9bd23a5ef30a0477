"""How expressions are placed, and which are refused."""

import pytest
from monitoring.queries import hastened, placed, used

HERE = 'namespace="notify"'


@pytest.mark.parametrize(
    ("expression", "matchers", "expected"),
    [
        ("up{@}", HERE, 'up{namespace="notify"}'),
        ('up{@,lane="bulk"}', HERE, 'up{namespace="notify",lane="bulk"}'),
        ("up{@}", "", "up{}"),
        ('up{@,lane="bulk"}', "", 'up{lane="bulk"}'),
        ('up{@,le="@in_time"} / @budget', HERE, f'up{{{HERE},le="@in_time"}} / @budget'),
    ],
)
def test_an_expression_is_placed(expression: str, matchers: str, expected: str) -> None:
    assert placed(expression, matchers) == expected


def test_the_metrics_of_an_expression_are_found() -> None:
    expression = "sum(rate(fogbell_publish_total{@}[5m])) / fogbell_end_to_end_seconds_count{@}"
    names = [metric.name for metric in used(expression)]
    assert names == ["fogbell_publish_total", "fogbell_end_to_end_seconds"]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("fogbell_nowhere{@}", "there is no metric fogbell_nowhere"),
        ("sum(fogbell_publish_total)", "is asked for everywhere"),
        ('fogbell_publish_total{outcome="failed"}', "is asked for everywhere"),
    ],
)
def test_what_asks_for_nothing_or_for_everything_is_refused(expression: str, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        list(used(expression))


def test_windows_are_shortened_by_one_factor() -> None:
    expression = "rate(x{@}[1h]) / rate(x{@}[5m] offset 30m) > 60"
    expected = "rate(x{@}[60000ms]) / rate(x{@}[5000ms] offset 30000ms) > 60"
    assert hastened(expression, 60) == expected

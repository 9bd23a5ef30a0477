"""Every metric as Prometheus' own linter sees it."""

from collections.abc import Iterable

import pytest
from monitoring.catalogue import LABELS, Metric, metrics
from tests.support.promtool import checked

BREACHES = [
    Metric("fogbell_depth_total", "gauge", (), "A gauge that looks like a counter."),
    Metric("fogbell_sent", "counter", ("channel",), "A counter that does not look like one."),
    Metric("fogbell_wait_milliseconds", "gauge", (), "Not a base unit."),
    Metric("fogbell_silent", "gauge", (), ""),
]


def exposition(listed: Iterable[Metric]) -> str:
    """``listed`` with a sample each: the linter passes over what has none."""
    lines = []
    for metric in listed:
        labels = [f'{label}="x"' for label in metric.labels]
        if metric.meaning:
            lines.append(f"# HELP {metric.name} {metric.meaning}")
        lines.append(f"# TYPE {metric.name} {metric.kind}")
        if metric.kind == "histogram":
            bucket = ",".join([*labels, 'le="+Inf"'])
            lines.append(f"{metric.name}_bucket{{{bucket}}} 1")
            names = [f"{metric.name}_sum", f"{metric.name}_count"]
        else:
            names = [metric.name]
        lines += [f"{name}{{{','.join(labels)}}} 1" for name in names]
    return "\n".join(lines) + "\n"


def complaints(listed: Iterable[Metric]) -> str:
    """What promtool has to say against them."""
    run = checked("check", "metrics", text=exposition(listed))
    return run.stdout + run.stderr


def test_names_and_types_keep_to_the_conventions() -> None:
    listed = metrics()
    assert len(listed) > 30
    assert complaints(listed) == ""


@pytest.mark.parametrize("breach", BREACHES, ids=lambda metric: metric.name)
def test_a_breach_is_found(breach: Metric) -> None:
    assert breach.name in complaints([breach])


def test_every_label_has_an_end() -> None:
    assert {label for metric in metrics() for label in metric.labels} == LABELS.keys()


def test_every_metric_says_what_it_means() -> None:
    assert [metric.name for metric in metrics() if len(metric.meaning) < 20] == []

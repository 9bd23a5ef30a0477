"""Metrics that several components share; what only one counts is in its own ``metrics.py``."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter


def publish_counter(registry: CollectorRegistry) -> Callable[[str], None]:
    """Count messages: call it with ``confirmed`` or ``failed``."""
    counter = Counter(
        "fogbell_publish",
        "Messages published, by whether the broker confirmed them.",
        ["outcome"],
        registry=registry,
    )

    def count(outcome: str) -> None:
        counter.labels(outcome).inc()

    return count


def unknown_variable_counter(registry: CollectorRegistry) -> Callable[[], None]:
    """Count variables that a template named and nobody provided: rendered as nothing."""
    counter = Counter(
        "fogbell_template_unknown_variables",
        "Variables that a template named and nobody provided: rendered as nothing.",
        registry=registry,
    )
    return counter.inc

"""What people look at: four dashboards, declared here and written as JSON for Grafana."""

from monitoring.dashboards.board import Board, Choice
from monitoring.dashboards.campaigns import CAMPAIGNS
from monitoring.dashboards.delivery import DELIVERY
from monitoring.dashboards.overview import OVERVIEW
from monitoring.dashboards.plumbing import PLUMBING

BOARDS: tuple[Board, ...] = (OVERVIEW, CAMPAIGNS, DELIVERY, PLUMBING)
"""All of them, in the order in which one looks."""

CHOICES: tuple[Choice, ...] = (
    Choice("namespace", "fogbell_build_info"),
    Choice("release", 'fogbell_build_info{namespace="$namespace"}'),
)
"""What each of them lets one choose, in this order: one installation."""

__all__ = [
    "BOARDS", "CAMPAIGNS", "CHOICES", "DELIVERY", "OVERVIEW", "PLUMBING", "Board", "Choice",
]  # fmt: skip

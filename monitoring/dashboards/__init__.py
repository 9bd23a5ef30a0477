"""What people look at: four dashboards, declared here and written as JSON for Grafana."""

from monitoring.dashboards.board import Board
from monitoring.dashboards.campaigns import CAMPAIGNS
from monitoring.dashboards.delivery import DELIVERY
from monitoring.dashboards.overview import OVERVIEW
from monitoring.dashboards.plumbing import PLUMBING

BOARDS: tuple[Board, ...] = (OVERVIEW, CAMPAIGNS, DELIVERY, PLUMBING)
"""All of them, in the order in which one looks."""

__all__ = ["BOARDS", "CAMPAIGNS", "DELIVERY", "OVERVIEW", "PLUMBING", "Board"]

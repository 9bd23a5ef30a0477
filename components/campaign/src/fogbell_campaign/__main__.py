"""``fogbell-campaign``: make the run that the environment names, then exit."""

import sys

import uvloop

from fogbell.collector import spare_the_collector
from fogbell.settings import load
from fogbell.telemetry.exporting import traced
from fogbell.telemetry.logs import configure_logging
from fogbell_campaign.app import perform
from fogbell_campaign.settings import CampaignSettings


def main() -> None:
    """Make one run. Exits 0 where it is expanded, refused or cancelled; 42 on wrong settings and
    wherever another try would fail the same way; else 1.
    """
    settings = load(CampaignSettings, job=True)
    configure_logging("campaign", settings.log.level, settings.log.format)
    with traced("campaign"):
        spare_the_collector()
        sys.exit(uvloop.run(perform(settings)))


if __name__ == "__main__":
    main()

"""MongoDB as the operator uses it: templates, runs and what they have come to, cancelling."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from time import monotonic
from uuid import UUID

import structlog

from fogbell.campaigns import template_fault
from fogbell.model.campaign import CampaignSpec, Refusal
from fogbell.model.notification import Progress
from fogbell.store import campaigns, cancelling, progress, templates
from fogbell.store.campaigns import OpenRun, RunRecord
from fogbell.store.database import Database, StoreUnavailableError

log = structlog.get_logger(__name__)

PAGES = 50
"""Pages of a cancelled run that are settled at once; a sweep goes on with the rest."""

AWAY_SECONDS = 5.0
"""How long MongoDB is not asked again once it was found away: asking takes ten seconds."""


class Records:
    """All of it raises `StoreUnavailableError`."""

    def __init__(self, db: Database, grace: timedelta, look_after: timedelta) -> None:
        self._db = db
        self._grace, self._look_after = grace, look_after
        self._away: StoreUnavailableError | None = None
        self._away_until = 0.0

    async def present(self) -> None:
        """Ask MongoDB whether it is there, unless it was found away just now."""
        if self._away is not None and monotonic() < self._away_until:
            # As it was: a refusal is not to be taken for an outage.
            raise self._away.with_traceback(None)
        try:
            await self._db.ping()
        except StoreUnavailableError as error:
            self._away, self._away_until = error, monotonic() + AWAY_SECONDS
            raise
        self._away = None

    async def template_fault(self, spec: CampaignSpec) -> Refusal | None:
        """What is wrong with the stored template that ``spec`` names."""
        if spec.template is None:
            return None
        found = await templates.get(self._db, spec.template.name, spec.template.version)
        return template_fault(spec, found)

    async def runs(self, ids: Iterable[UUID]) -> Mapping[UUID, RunRecord]:
        """Those of ``ids`` that have a notification."""
        return await campaigns.runs(self._db, ids)

    async def reached(self, run: UUID) -> Progress | None:
        """What a run has come to; None where its retention is over."""
        return await progress.progress(self._db, run)

    async def open_runs(self, namespace: str) -> list[OpenRun]:
        """Runs of the namespace's Campaigns that go on."""
        await self.present()
        return await campaigns.open_runs(self._db, namespace)

    async def cancel(self, run: UUID) -> bool:
        """Cancel a run, once; whether it was to be cancelled.

        The mark comes first: where this process ends in between, a sweep goes on.
        """
        marked = await cancelling.mark(self._db, run, self._grace)
        if marked:
            log.info("run_cancelled", notification=str(run))
            await cancelling.settle(self._db, run, self._look_after, PAGES)
        return marked

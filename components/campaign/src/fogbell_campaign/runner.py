"""Begins a run once, however many pods its Job has, and sees that all of it is expanded.

The notification's id is the firing's, so a second insert is a duplicate; the expansion's lease is
one process's. What another process has begun is waited for, and taken up where that one ends.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from time import monotonic

import structlog

from fogbell.broker import Publisher
from fogbell.campaigns import channel_fault, template_fault
from fogbell.expansion.expander import Expander, ExpansionFailedError, ExpansionSettings
from fogbell.model.campaign import Refusal, untimely
from fogbell.model.content import Template
from fogbell.model.notification import Notification
from fogbell.model.status import Channel
from fogbell.store import notifications, templates
from fogbell.store.database import Database, StoreRefusedError, StoreUnavailableError
from fogbell.store.indexes import ensure_indexes
from fogbell.store.notifications import Accept, AcceptConflictError
from fogbell.telemetry import traces
from fogbell_campaign.patience import Patience
from fogbell_campaign.run import Run
from fogbell_campaign.summary import HOPELESS, TRY_AGAIN, Outcome, Summary, faulty, refused

log = structlog.get_logger(__name__)

INDEX_WAIT = 10.0
"""Seconds to wait for indexes: a long build is for components that stay."""

PAUSE = 1.0
"""Seconds between two looks at a run that another process expands, or at a MongoDB away."""


@dataclass(frozen=True, slots=True)
class RunnerSettings:
    """``grace``: after this the sweep looks at a run that nobody expands; ``patience``: how long
    to go on without MongoDB; ``offered``: the channels that a run may name, None: any.
    """

    grace: timedelta
    patience: timedelta
    expansion: ExpansionSettings
    offered: frozenset[Channel] | None = None


class Runner:
    """One process's part in a run.

    ``on_inserted`` is told of new deliveries, ``on_unknown`` of each variable without a value.
    """

    def __init__(
        self,
        db: Database,
        publisher: Publisher,
        run: Run,
        settings: RunnerSettings,
        *,
        on_inserted: Callable[[int], None],
        on_unknown: Callable[[], None],
    ) -> None:
        self._db = db
        self._run = run
        self._settings = settings
        self._on_inserted = on_inserted
        self._expander = Expander(
            db, publisher, settings.expansion, on_unknown, on_inserted=self._count
        )
        self._inserted = 0
        self._exists = False
        self._began = False
        self._prepared = False

    async def perform(self) -> Summary:
        """Begin the run, or join it, and stay until it is expanded, refused or cancelled."""
        patience = Patience(self._settings.patience)
        while True:
            began = monotonic()
            try:
                return await self._attempt()
            except StoreUnavailableError as error:
                if patience.ends(began, monotonic()):
                    return self._given_up(error)
                log.warning("waiting_for_mongodb", error=str(error))
            await asyncio.sleep(PAUSE)

    def failed(self, reason: str, message: str, exit_status: int = TRY_AGAIN) -> Summary:
        """That the run stops here, for another process to go on with unless that is hopeless."""
        summary = Summary(Outcome.FAILED, message, reason, exit_status=exit_status)
        return self._told(summary)

    def _given_up(self, error: StoreUnavailableError) -> Summary:
        if isinstance(error, StoreRefusedError):
            # For another pod to try: it reads the Secret with the URI anew.
            return self.failed("StoreRefused", str(error))
        return self.failed("StoreUnavailable", "MongoDB was away for too long.")

    async def _attempt(self) -> Summary:
        await self._db.ping()
        while True:
            stored = await notifications.get(self._db, self._run.id)
            if stored is not None:
                self._exists = True
                ended = self._ended(stored)
            else:
                ended = await self._begin()
            if ended is not None:
                return ended
            await self._prepare()
            await asyncio.sleep(await self._expand())

    async def _prepare(self) -> None:
        """Have the indexes: once the run has begun, which it could be too late for after a build.

        While another process builds them, workers that have them expand it.
        """
        if not self._prepared:
            await ensure_indexes(self._db, INDEX_WAIT)
            self._prepared = True

    async def _begin(self) -> Summary | None:
        """Store the notification; a summary where it must not, or cannot, be begun."""
        now = self._db.clock.now()
        late = untimely(self._run.spec, self._run.firing, now, self._settings.patience)
        if late is not None:
            return refused(late)
        template = await self._template()
        fault = self._fault(template)
        if fault is not None:
            return faulty(fault)
        run = self._run.notification(template, now)
        notification = replace(run, traceparent=traces.traceparent())
        # The runner expands it itself; the sweep looks only where that does not happen.
        post = Accept(notification, [], now + self._settings.grace, notification.status(now))
        try:
            await notifications.accept(self._db, [post], self._settings.grace)
        except AcceptConflictError:
            return None  # another pod of this firing was faster: the run is the one that it began
        self._exists = self._began = True
        log.info("run_begun", notification=str(self._run.id))
        return None

    def _fault(self, template: Template | None) -> Refusal | None:
        """What keeps it from being begun, and would keep every other pod from that."""
        spec = self._run.spec
        return channel_fault(spec, self._settings.offered) or template_fault(spec, template)

    async def _template(self) -> Template | None:
        asked = self._run.spec.template
        return await templates.get(self._db, asked.name, asked.version) if asked else None

    async def _expand(self) -> float:
        """Expand what is not expanded; how many seconds to leave it alone then."""
        told = str(self._run.id)
        try:
            expansion = await self._expander.expand(self._run.id)
        except ExpansionFailedError as error:
            log.exception("expansion_failed", notification=told, given_up=error.given_up)
            return 0.0 if error.given_up else self._settings.grace.total_seconds()
        if expansion is None:
            log.debug("expanded_by_another", notification=told)
            return PAUSE
        return 0.0

    def _ended(self, stored: Notification) -> Summary | None:
        """What came of the run, once nothing is left to do for it."""
        if stored.cancelled_at is not None:
            return self._told(Summary(Outcome.CANCELLED, "The run was cancelled."))
        if stored.expanded_at is not None:
            count = f"The run has {stored.expected} deliveries"
            if self._began:
                return self._told(Summary(Outcome.EXPANDED, f"{count}."))
            return self._told(Summary(Outcome.RESUMED, f"{count}; another process began it."))
        if stored.reason is not None:
            return self.failed(
                "ExpansionFailed",
                "A defect ended the expansion too often; the logs say where."
                f" POST /v1/notifications/{stored.id}/replay lets it go on.",
                HOPELESS,
            )
        return None

    def _told(self, summary: Summary) -> Summary:
        known = self._run.id if self._exists else None
        return replace(summary, notification=known, inserted=self._inserted)

    def _count(self, inserted: int) -> None:
        self._inserted += inserted
        self._on_inserted(inserted)

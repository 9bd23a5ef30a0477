"""One look at one Campaign: make its CronJob what it should be, and its status what is so.

Whatever has happened and however often it is called, it goes by what stands in Kubernetes and in
MongoDB at that moment, and ends in the same.
"""

import contextlib
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import structlog

from fogbell.model.campaign import CampaignSpec, Refusal, cronjob_name
from fogbell.model.status import Channel
from fogbell.store.database import StoreRefusedError, StoreUnavailableError
from fogbell_operator import conditions, runs, schedules
from fogbell_operator.checking import apply_fault, check, foreign
from fogbell_operator.cluster import Cluster
from fogbell_operator.conditions import Ending
from fogbell_operator.cronjobs import build_cronjob, effective_since, timing
from fogbell_operator.endings import ending, has_begun
from fogbell_operator.errors import ClusterError, ForbiddenError, GoneError, RefusedError
from fogbell_operator.events import build_event, happenings
from fogbell_operator.metrics import OperatorMetrics
from fogbell_operator.pauses import Pauses
from fogbell_operator.records import Records
from fogbell_operator.resources import Campaign, CronJob, Job, Json
from fogbell_operator.runs import History, Run, Summary
from fogbell_operator.schedules import Next
from fogbell_operator.statuses import Standing, changed, status

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Reconciling:
    """What every look needs to know; times in seconds."""

    template: Json
    active_deadline_seconds: int
    progress_seconds: float
    resync_seconds: float
    instance: str
    """What Events name as their reporter: the pod."""

    offered: frozenset[Channel] | None = None
    """The channels that Campaigns may name; None: any."""


@dataclass(frozen=True, slots=True)
class _Found:
    """What MongoDB says; ``history`` is None where it tells nothing, for ``untold``."""

    history: History | None
    template: Refusal | None
    untold: Refusal = conditions.AWAY


@dataclass(frozen=True, slots=True)
class _Planned:
    """What came of the CronJob."""

    fault: Refusal | None = None
    ending: Ending | None = None
    begun: bool = False
    live: CronJob | None = None


@dataclass(slots=True)
class Reconciler:
    """Looks at the Campaigns of one namespace, one at a time each (`turns.Turns`)."""

    cluster: Cluster
    records: Records
    metrics: OperatorMetrics
    settings: Reconciling
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    pauses: Pauses = field(init=False)

    def __post_init__(self) -> None:
        self.pauses = Pauses(self.settings.progress_seconds, self.settings.resync_seconds)

    async def reconcile(self, name: str) -> float | None:
        """Look at one; in how many seconds to look again while its run goes on.

        Raises `ClusterError` where Kubernetes could not be asked or told.
        """
        try:
            pause = await self._reconcile(name)
        except Exception:  # counted whatever it was, and for the caller to deal with
            self.metrics.reconciled("failed")
            raise
        self.metrics.reconciled("done")
        return pause

    async def _reconcile(self, name: str) -> float | None:
        campaign = await self.cluster.campaign(name)
        if campaign is None or campaign.deleting:
            # Its run is cancelled by `deletions`.
            self.forget(name)
            return None
        now = self.clock()
        checked = check(campaign, self.settings.offered)
        jobs = await self.cluster.jobs(campaign.uid)
        found = await self._look_up(campaign, checked, jobs)
        planned = await self._plan(campaign, checked, jobs, found.history, now)
        summary = await self._summary(found.history)
        standing = _standing(campaign, checked, jobs, found, planned, summary, now)
        document = status(campaign, standing, now)
        news = changed(campaign, document)
        if news:
            try:
                await self.cluster.apply_status(campaign, document)
            except GoneError:
                return None
            await self._tell(campaign, standing, now)
        self._measure(campaign, standing, found.history)
        return self._pause(name, found.history, news=news)

    def forget(self, name: str) -> None:
        """It is there no more."""
        self.pauses.reset(name)
        self.metrics.campaigns.forget(self.cluster.namespace, name)

    async def _look_up(
        self, campaign: Campaign, checked: CampaignSpec | Refusal, jobs: list[Job]
    ) -> _Found:
        spec = checked if isinstance(checked, CampaignSpec) else None
        try:
            await self.records.present()
            template = await self.records.template_fault(spec) if spec else None
            return _Found(await self._history(campaign, spec, jobs), template)
        except StoreRefusedError as error:
            log.warning("mongodb_refused", campaign=campaign.name, error=str(error))
            # It lasts, and runs are made with the same URI: each Campaign says so.
            untold = conditions.shut_out(str(error))
            return _Found(None, untold, untold)
        except StoreUnavailableError as error:
            log.warning("mongodb_away", campaign=campaign.name, error=str(error))
            return _Found(None, conditions.AWAY if spec and spec.template else None)

    async def _history(
        self, campaign: Campaign, spec: CampaignSpec | None, jobs: list[Job]
    ) -> History:
        at = spec.at if spec else None
        records = await self.records.runs(runs.candidates(campaign, jobs, at))
        last = runs.last_record(records)
        reached = await self.records.reached(last.id) if last else None
        if last and reached:
            reached = runs.at_least(reached, last, campaign)
        return History(
            last=Run(last, reached) if last and reached else None,
            waiting=runs.waiting_job(campaign, jobs, records),
            once=records.get(runs.run_at(campaign, at)) if at else None,
        )

    async def _plan(
        self,
        campaign: Campaign,
        checked: CampaignSpec | Refusal,
        jobs: list[Job],
        history: History | None,
        now: datetime,
    ) -> _Planned:
        live = await self.cluster.cronjob(cronjob_name(campaign.name))
        fault = foreign(campaign, live)
        if fault is not None:
            return _Planned(fault)
        if isinstance(checked, Refusal):
            await self._hold(live)
            return _Planned(checked, live=live)
        once = history.once if history else None
        since = effective_since(live, timing(checked, over=False), now)
        end = ending(campaign, checked, jobs, once, since, now, known=history is not None)
        begun = checked.at is not None and has_begun(campaign, checked.at, jobs, once)
        document = build_cronjob(
            campaign,
            checked,
            self.settings.template,
            live,
            now,
            over=begun or end is not None,
            cluster=self.cluster.identity,
            active_deadline_seconds=self.settings.active_deadline_seconds,
        )
        return _Planned(await self._apply(document, live), end, begun, live)

    async def _apply(self, document: Json, live: CronJob | None) -> Refusal | None:
        try:
            await self.cluster.apply_cronjob(document)
        except (RefusedError, ForbiddenError) as error:
            # Where it may not even do that, its Role is what has to be mended, and is what is said.
            with contextlib.suppress(ForbiddenError):
                await self._hold(live)
            return apply_fault(error)
        return None

    async def _hold(self, live: CronJob | None) -> None:
        """What stands is not what the Campaign says any more: nothing of it may start."""
        if live is not None and not live.timing.suspend:
            await self.cluster.suspend_cronjob(live.name)

    async def _summary(self, history: History | None) -> Summary:
        """What is said of a Job that has made no notification."""
        if history is None or history.waiting is None:
            return Summary()
        return runs.summary(await self.cluster.pods(history.waiting), history.waiting)

    async def _tell(self, campaign: Campaign, standing: Standing, now: datetime) -> None:
        """Events are for people to read along: one that cannot be created stops nothing."""
        for happening in happenings(campaign, standing.conditions, standing.last_run):
            name = f"{campaign.name}.{uuid.uuid4().hex[:16]}"
            document = build_event(campaign, happening, name, self.settings.instance, now)
            try:
                await self.cluster.create_event(document)
            except ClusterError as error:
                self.metrics.event("failed")
                log.warning("event_not_created", campaign=campaign.name, error=str(error))
            else:
                self.metrics.event("created")

    def _measure(self, campaign: Campaign, standing: Standing, history: History | None) -> None:
        said = {condition.type: condition.status for condition in standing.conditions}
        self.metrics.campaigns.stands(
            campaign.namespace,
            campaign.name,
            ready=_known(said[conditions.READY]),
            last_run=_known(said.get(conditions.LAST_RUN, conditions.UNKNOWN)),
            next_run=standing.next_schedule.time,
            overdue=standing.overdue,
            throttle=standing.throttle,
        )
        if history is not None and history.last is not None:
            self.metrics.campaigns.run(
                campaign.namespace, campaign.name, history.last.reached.totals
            )

    def _pause(self, name: str, history: History | None, *, news: bool) -> float | None:
        """Look soon while counts move, less and less often while they stand, then by resyncs."""
        if history is None or not _goes_on(history):
            self.pauses.reset(name)
            return None
        return self.pauses.after(name, news=news)


def _known(status: str) -> bool | None:
    """Whether a condition is true; None where nobody can say."""
    return None if status == conditions.UNKNOWN else status == conditions.TRUE


def _goes_on(history: History) -> bool:
    return history.waiting is not None or (history.last is not None and not history.last.settled)


def _standing(
    campaign: Campaign,
    checked: CampaignSpec | Refusal,
    jobs: list[Job],
    found: _Found,
    planned: _Planned,
    summary: Summary,
    now: datetime,
) -> Standing:
    spec = checked if isinstance(checked, CampaignSpec) else None
    coming = _next(spec, planned, now)
    before = conditions.previous(campaign)
    said = [
        conditions.ready(
            planned.fault,
            found.template,
            planned.ending,
            suspended=bool(campaign.spec.get("suspend")),
            never=coming.never,
        ),
        conditions.suspended(bool(campaign.spec.get("suspend"))),
        conditions.last_run(found.history, summary, before.get(conditions.LAST_RUN), found.untold),
    ]
    if spec is not None and spec.at is not None:
        said.append(conditions.complete(spec.at, planned.ending))
    last = found.history.last if found.history else None
    overdue = timedelta(0)
    if spec is not None and spec.schedule is not None and planned.fault is None:
        made = max((job.created_at for job in jobs), default=None)
        overdue = schedules.overdue(spec.schedule, spec.time_zone, planned.live, made, now)
    return Standing(
        conditions=said,
        next_schedule=coming,
        active=runs.active(jobs),
        overdue=overdue,
        throttle=spec.throttle.per_second if spec and spec.throttle else None,
        last_schedule=planned.live.last_schedule_time if planned.live else None,
        last_run=runs.shown(last) if last else campaign.status.get("lastRun"),
    )


def _next(spec: CampaignSpec | None, planned: _Planned, now: datetime) -> Next:
    if spec is None or planned.fault is not None:
        return Next(schedules.INVALID)
    if planned.ending is not None:
        return Next(schedules.MISSED if planned.ending.missed else schedules.COMPLETE)
    if planned.begun:
        return Next(schedules.STARTED)
    if spec.at is not None:
        return Next(schedules.SUSPENDED) if spec.suspend else schedules.at(spec.at)
    assert spec.schedule is not None
    coming = schedules.next_schedule(spec.schedule, spec.time_zone, now)
    return Next(schedules.SUSPENDED) if spec.suspend and not coming.never else coming

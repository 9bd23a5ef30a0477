"""Faults that are the operator's to tell, each ended as its page in docs/runbooks says."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass

from tests.cluster.campaigns import YEARLY, cron_line, jobs, make_job, name, next_minute
from tests.cluster.installation import RELEASE, Installation, campaign
from tests.cluster.kube import Kube, RefusedError, wait_until
from tests.cluster.policies import no_jobs_of
from tests.cluster.watching import MONITORED, Bell

from fogbell_local.sink.server import Behaviour

NOT_READY = "FogbellCampaignNotReady"
FAILED = "FogbellCampaignRunFailed"
MISSED = "FogbellCampaignRunMissed"
STUCK = "FogbellCampaignRunStuck"
STALE = "FogbellOperatorStale"
ABSENT = "FogbellOperatorAbsent"

WORKERS = f"deployment/{RELEASE}-worker-main"
OPERATOR = f"{RELEASE}-operator"
PEOPLE = 3


@dataclass(frozen=True, slots=True)
class Stage:
    """An installation, whoever may change the cluster's own rules, and what rings."""

    installation: Installation
    admin: Kube
    bell: Bell

    def campaign(self) -> str:
        """A Campaign over people of its own, to be run by hand; its name is that of their group."""
        mine = name()
        self.installation.directory(mine, PEOPLE)
        self.installation.campaign(mine, mine, schedule=YEARLY, throttle={"perSecond": 20})
        return mine


def a_run_that_reaches_nobody(stage: Stage) -> None:
    """The relay refuses everybody for good; what died is replayed once it does not."""
    installation, bell = stage.installation, stage.bell
    bell.until_silent(FAILED)
    mine = stage.campaign()
    installation.sink.restart(Behaviour(refuse_fraction=1.0, refuse_code=550))
    try:
        make_job(installation.kube, mine, f"{mine}-by-hand")
        bell.until_rings(FAILED, mine)
    finally:
        installation.sink.restart(Behaviour())
    said = installation.until_condition(mine, "LastRunSucceeded", "NothingDelivered")
    run = installation.status(mine)["lastRun"]["id"]
    assert run in said["message"]
    with installation.api() as api:
        api.replay(run)
    bell.until_silent(FAILED, mine)
    installation.until_mails(mine, PEOPLE)


def a_campaign_without_its_template(stage: Stage) -> None:
    """It names a template that nobody has put; then somebody puts it."""
    installation, mine = stage.installation, name()
    stage.bell.until_silent(NOT_READY)
    wrong = campaign(mine, mine, schedule=YEARLY, template={"name": mine})
    content = wrong["spec"].pop("content")
    installation.kube.apply(wrong)
    stage.bell.until_rings(NOT_READY, mine)
    assert mine in installation.until_condition(mine, "Ready", "UnknownTemplate")["message"]
    with installation.api() as api:
        api.put_template(mine, {"locales": {"en": content}})
    stage.bell.until_silent(NOT_READY, mine)


@contextlib.contextmanager
def no_worker(stage: Stage) -> Iterator[None]:
    """A run is made while no worker is there; it is sent once there is one."""
    installation, kube = stage.installation, stage.installation.kube
    stage.bell.until_silent(STUCK)
    mine = stage.campaign()
    kube.run("scale", WORKERS, "--replicas=0")
    try:
        wait_until("the end of the workers", lambda: not kube.pods("worker"), 90)
        make_job(kube, mine, f"{mine}-by-hand")
        yield
        stage.bell.until_rings(STUCK, mine, 150)
        assert not installation.mails(mine)
    finally:
        kube.run("scale", WORKERS, "--replicas=1")
    stage.bell.until_silent(STUCK, mine)
    installation.until_mails(mine, PEOPLE)


def a_job_that_a_policy_refuses(stage: Stage) -> None:
    """Kubernetes makes no Job of a Campaign's; it does once nothing holds it."""
    kube, bell = stage.installation.kube, stage.bell
    bell.until_silent(MISSED)
    mine = name()
    with no_jobs_of(mine, kube, stage.admin):
        stage.installation.campaign(mine, mine, schedule=cron_line(next_minute()))
        bell.until_rings(MISSED, mine, 150)
        events = kube.run("get", "events", f"--field-selector=involvedObject.name=campaign-{mine}")
        assert f"no jobs of {mine}" in events
        assert not jobs(kube, mine)
    bell.until_silent(MISSED, mine)
    assert len(jobs(kube, mine)) == 1


def an_operator_that_is_gone(stage: Stage) -> None:
    """Its image is not to be had; ``helm upgrade`` restores it."""
    kube, bell = stage.installation.kube, stage.bell
    for alert in (STALE, ABSENT):
        bell.until_silent(alert)
    kube.run("set", "image", f"deployment/{OPERATOR}", "operator=localhost/nosuch:1")
    bell.until_rings(STALE)
    bell.until_rings(ABSENT)
    _upgraded(stage)


def an_operator_that_cannot_look(stage: Stage) -> None:
    """A verb of its Role is gone: it is started anew again and again, and never gets through."""
    kube, bell = stage.installation.kube, stage.bell
    _take_listing_away(kube)
    bell.until_rings(STALE)
    bell.until_rings(ABSENT)
    wait_until("what it said before it ended", lambda: "resync_failed" in _previous(kube), 60)
    _upgraded(stage)


def _upgraded(stage: Stage) -> None:
    stage.installation.upgrade(*MONITORED)
    for alert in (STALE, ABSENT):
        stage.bell.until_silent(alert)


def _take_listing_away(kube: Kube) -> None:
    """The operator's Role no longer lets it list Campaigns."""
    role = kube.get("role", OPERATOR)
    assert role is not None
    number = [rule["resources"] for rule in role["rules"]].index(["campaigns"])
    left = [verb for verb in role["rules"][number]["verbs"] if verb != "list"]
    patch = [{"op": "replace", "path": f"/rules/{number}/verbs", "value": left}]
    kube.run("patch", "role", OPERATOR, "--type=json", f"--patch={json.dumps(patch)}")


def _previous(kube: Kube) -> str:
    """The log of the operator before the one that runs; empty where there was none."""
    try:
        return kube.run("logs", f"deployment/{OPERATOR}", "--previous")
    except RefusedError:
        return ""

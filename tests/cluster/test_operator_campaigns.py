"""The operator on a real API server: what becomes of Campaigns, and what it says of them."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pymongo
import pytest
from tests.cluster.campaigns import YEARLY
from tests.cluster.kube import Kube, Object, condition, fresh_namespace, wait_until
from tests.cluster.operating import Place, document
from tests.support.locked import LockedMongo

from fogbell.model.content import Template
from fogbell.store import templates
from fogbell.store.database import Database
from fogbell.store.indexes import ensure_indexes
from fogbell_local.processes import Component

MINUTE = datetime.now(UTC).replace(second=0, microsecond=0)


@pytest.fixture(scope="module")
def place(admin: Kube, mongo_uri: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A namespace and a database for the tests of this module; each takes names of its own."""
    database = f"t{uuid4().hex[:12]}"
    with fresh_namespace(admin) as kube:
        found = Place(kube, mongo_uri, database, tmp_path_factory.mktemp("operator"))
        found.records(ensure_indexes)
        yield found
    with pymongo.MongoClient[dict[str, Any]](mongo_uri) as client:
        client.drop_database(database)


@pytest.fixture(scope="module")
def operator(place: Place) -> Iterator[Component]:
    with place.operator(FOGBELL_OFFERED_CHANNELS="email,inbox,sms") as component:
        component.wait_ready()
        yield component


def effective_since(cronjob: Object) -> str:
    since: str = cronjob["metadata"]["annotations"]["fogbell.dev/effective-since"]
    return since


@pytest.mark.usefixtures("operator")
def test_a_campaign_becomes_a_cronjob_and_says_when_it_runs(place: Place) -> None:
    campaign = place.campaign("nightly", timeZone="Europe/Amsterdam")
    assert condition(campaign, "Ready")["reason"] == "Scheduled"
    next_time = datetime.fromisoformat(campaign["status"]["nextScheduleTime"])
    assert next_time > datetime.now(UTC)
    cronjob = place.cronjob("nightly")
    assert cronjob["spec"]["timeZone"] == "Europe/Amsterdam"
    (owner,) = cronjob["metadata"]["ownerReferences"]
    assert owner["uid"] == campaign["metadata"]["uid"]
    line = place.kube.run("get", "campaign", "nightly", "--no-headers")
    assert "Scheduled" in line
    place.until_told("nightly", "Its runs will start on time.")


@pytest.mark.usefixtures("operator")
def test_nothing_is_written_to_a_campaign_but_its_status(place: Place) -> None:
    metadata = place.campaign("untouched")["metadata"]
    assert metadata["annotations"].keys() == {"kubectl.kubernetes.io/last-applied-configuration"}
    assert "finalizers" not in metadata
    assert metadata["generation"] == 1


@pytest.mark.parametrize(
    ("changes", "reason", "said"),
    [
        ({"schedule": "0 0 * * 7"}, "InvalidSchedule", "above maximum (6)"),
        ({"schedule": "0 0 0 * * *"}, "InvalidSchedule", "expected exactly 5 fields"),
        ({"timeZone": "europe/amsterdam"}, "UnknownTimeZone", "IANA"),
        ({"schedule": "0 0 30 2 *"}, "NeverFires", "No date matches"),
        ({"template": {"name": "none"}, "content": None}, "UnknownTemplate", "PUT /v1/templates"),
        ({"data": {"blob": "x" * 70_000}}, "TooLarge", "65536"),
        (
            {"content": {"email": {"subject": "s", "text": "{% if %}"}}},
            "TemplateSyntax",
            "spec.content.email.text",
        ),
        (
            {"content": {"email": {"subject": "s", "text": "t", "headers": {"Bcc": "x"}}}},
            "InvalidSpec",
            "cannot be set",
        ),
        (
            {"audience": {"match": {"age": {"above": 3}}}},
            "InvalidMatch",
            "spec.audience.match.age: there is no operator 'above'; there are eq, ne, in",
        ),
        (
            {"content": {"email": {"subject": "s", "text": "t", "from": "nobody"}}},
            "InvalidSpec",
            "spec.content.email.from: expected an e-mail address",
        ),
        (
            {"channels": ["push"], "content": {"push": {"title": "Fog"}}},
            "ChannelNotOffered",
            "does not offer 'push'; it offers email, inbox, sms",
        ),
        ({"schedule": None, "at": "2026-01-01T00:00:00Z"}, "Missed", "apply another"),
    ],
)
@pytest.mark.usefixtures("operator")
def test_what_is_wrong_is_a_condition_that_says_what_to_change(
    place: Place, changes: dict[str, Any], reason: str, said: str
) -> None:
    name = f"wrong-{uuid4().hex[:6]}"
    place.kube.run(
        "apply", "--server-side", "--filename=-", stdin=json.dumps(document(name, **changes))
    )
    ready = condition(place.until(name, "Ready", "False", reason), "Ready")
    assert said in ready["message"]


@pytest.mark.usefixtures("operator")
def test_a_template_that_comes_later_makes_it_ready(place: Place) -> None:
    place.campaign("templated", template={"name": "later"}, content=None, channels=["email", "sms"])
    place.until("templated", "Ready", "False", "UnknownTemplate")
    content = {"email": {"subject": "s", "text": "t"}}

    async def put(db: Database) -> None:
        draft = {"name": "later", "version": 1, "locales": {"en": content}}
        await templates.put_version(db, Template.model_validate(draft))

    place.records(put)
    place.until("templated", "Ready", "False", "MissingChannel")
    content["sms"] = {"text": "t"}
    place.records(put)
    place.until("templated", "Ready", "True", "Scheduled")


@pytest.mark.usefixtures("operator")
def test_its_times_count_anew_when_it_is_moved_and_not_when_it_says_something_else(
    place: Place,
) -> None:
    place.campaign("moved")
    first = effective_since(place.cronjob("moved"))
    place.campaign("moved", data={"order": 1}, failedRunsHistoryLimit=7)
    cronjob = place.cronjob("moved")
    assert cronjob["spec"]["failedJobsHistoryLimit"] == 7
    assert effective_since(cronjob) == first
    place.campaign("moved", schedule="0 3 * * *")
    moved = place.cronjob("moved")
    assert effective_since(moved) > first
    env = moved["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]["env"]
    told = {variable["name"]: variable.get("value") for variable in env}
    assert told["FOGBELL_CAMPAIGN__EFFECTIVE_SINCE"] == effective_since(moved)


@pytest.mark.usefixtures("operator")
def test_a_change_that_is_refused_holds_what_stood_before(place: Place) -> None:
    place.campaign("held")
    first = effective_since(place.cronjob("held"))
    place.kube.apply(document("held", schedule="0 0 * * 7"))
    place.until("held", "Ready", "False", "InvalidSchedule")
    assert place.cronjob("held")["spec"]["suspend"] is True
    place.kube.apply(document("held"))
    place.until("held", "Ready", "True", "Scheduled")
    assert place.cronjob("held")["spec"]["suspend"] is False
    assert effective_since(place.cronjob("held")) > first


@pytest.mark.usefixtures("operator")
def test_somebody_elses_hand_on_the_cronjob_is_undone(place: Place) -> None:
    place.campaign("touched")
    patch = json.dumps({"spec": {"schedule": "* * * * *"}})
    place.kube.run("patch", "cronjob", "campaign-touched", "--type=merge", f"--patch={patch}")
    wait_until(
        "the Campaign's own schedule",
        lambda: place.cronjob("touched")["spec"]["schedule"] == YEARLY,
        30,
    )


def test_counts_rise_while_a_run_goes_on(place: Place, operator: Component) -> None:
    campaign = place.campaign("counted")
    run = place.begin(campaign, place.job("counted", MINUTE), pending=3, delivered=1)
    found = place.until("counted", "LastRunSucceeded", "Unknown", "Running")
    last = found["status"]["lastRun"]
    assert (last["id"], last["expected"], last["delivered"]) == (str(run), 4, 1)
    assert "finishedAt" not in last
    assert found["status"]["active"] == 1
    place.deliver(run)
    last = place.until("counted", "LastRunSucceeded", "True", "Settled")["status"]["lastRun"]
    assert (last["delivered"], last["pending"]) == (4, 0)
    assert last["finishedAt"]
    labels = f'campaign="counted",namespace="{place.kube.namespace}",status="delivered"'
    sample = f"fogbell_campaign_run_deliveries{{{labels}}} 4.0"

    def shown() -> bool:
        return sample in httpx2.get(operator.metrics, trust_env=False, timeout=30).text

    wait_until(sample, shown, 30)


@pytest.mark.usefixtures("operator")
def test_a_run_that_reaches_nobody_is_seen(place: Place) -> None:
    campaign = place.campaign("alone", audience={"groups": ["raeders"]})
    run = place.begin(campaign, place.job("alone", MINUTE))
    place.deliver(run)
    found = place.until("alone", "LastRunSucceeded", "True", "NobodyMeant")
    assert "GET /v1/recipients" in condition(found, "LastRunSucceeded")["message"]
    place.until_told("alone", "NobodyMeant")


@pytest.mark.usefixtures("operator")
def test_a_run_that_failed_says_what_its_pod_has_left_behind(place: Place) -> None:
    place.campaign("failing")
    job = place.job("failing", MINUTE)
    found = place.until("failing", "LastRunSucceeded", "Unknown", "Starting")
    wait_until(
        "why the pod is held up",
        lambda: "Unschedulable" in condition(place.seen("failing"), "LastRunSucceeded")["message"],
        30,
    )
    summary = {"outcome": "failed", "reason": "WrongSettings", "message": "No such database."}
    end_pod(place.kube, job, "Failed", 42, summary)
    found = place.until("failing", "LastRunSucceeded", "False", "WrongSettings")
    assert "No such database." in condition(found, "LastRunSucceeded")["message"]
    assert found["status"]["active"] == 0


@pytest.mark.usefixtures("operator")
def test_a_firing_that_was_refused_is_no_failure(place: Place) -> None:
    place.campaign("refused")
    job = place.job("refused", MINUTE)
    summary = {"outcome": "refused", "reason": "BeforeChange", "message": "Too late."}
    end_pod(place.kube, job, "Succeeded", 0, summary)
    found = place.until("refused", "LastRunSucceeded", "True", "Refused")
    assert "Too late." in condition(found, "LastRunSucceeded")["message"]


def end_pod(kube: Kube, job: Object, phase: str, code: int, summary: Object) -> None:
    """End the pod of a Job, as a kubelet would tell it."""
    selector = f"batch.kubernetes.io/controller-uid={job['metadata']['uid']}"
    (pod,) = wait_until("the Job's pod", lambda: kube.find("pods", selector), 30)
    ended = {"exitCode": code, "message": json.dumps(summary), "reason": "Error"}
    status = {
        "phase": phase,
        "containerStatuses": [
            {
                "name": "campaign",
                "image": "x",
                "imageID": "",
                "ready": False,
                "restartCount": 0,
                "state": {"terminated": ended},
            }
        ],
    }
    patch = json.dumps({"status": status})
    name = pod["metadata"]["name"]
    kube.run("patch", "pod", name, "--subresource=status", "--type=merge", f"--patch={patch}")


@pytest.mark.usefixtures("operator")
def test_one_that_runs_once_is_complete_by_its_own_job_and_suspended_from_its_start(
    place: Place,
) -> None:
    at = MINUTE + timedelta(days=1)
    if (at.month, at.day) == (2, 29):  # the year before has no such day
        at += timedelta(days=1)
    campaign = place.campaign("once", schedule=None, at=at.isoformat())
    assert condition(campaign, "Complete")["reason"] == "Waiting"
    # Of the year before: cron has no years.
    place.job("once", at.replace(year=at.year - 1))
    place.until("once", "LastRunSucceeded", "Unknown", "Starting")
    assert place.cronjob("once")["spec"]["suspend"] is False
    run = place.begin(campaign, place.job("once", at), pending=1)
    wait_until("its end", lambda: place.cronjob("once")["spec"]["suspend"], 30)
    assert condition(place.seen("once"), "Complete")["status"] == "False"
    place.deliver(run)
    found = place.until("once", "Complete", "True", "Ran")
    assert found["status"]["nextScheduleTime"] == "complete"
    assert condition(found, "Ready")["status"] == "True"


@pytest.mark.usefixtures("operator")
def test_deleting_a_campaign_cancels_its_run_and_takes_its_cronjob_away(place: Place) -> None:
    campaign, other = place.campaign("deleted"), place.campaign("kept")
    run = place.begin(campaign, place.job("deleted", MINUTE), pending=3)
    stays = place.begin(other, place.job("kept", MINUTE), pending=3)
    place.until("deleted", "LastRunSucceeded", "Unknown", "Running")
    place.kube.delete("campaign", "deleted")
    wait_until("its cancelling", lambda: place.field(run, "cancelled_at"), 20)
    wait_until(
        "the CronJob's end", lambda: place.kube.get("cronjob", "campaign-deleted") is None, 30
    )
    assert place.field(stays, "cancelled_at") is None


def test_what_was_deleted_while_the_operator_was_down_is_cancelled_when_it_is_back(
    admin: Kube, place: Place, tmp_path: Path
) -> None:
    with fresh_namespace(admin) as kube:
        elsewhere = Place(kube, place.mongo_uri, place.database, tmp_path)
        kube.apply(document("there"))
        there = kube.get("campaign", "there")
        assert there is not None
        uid = there["metadata"]["uid"]
        runs: dict[str, UUID] = {}
        for word, app, of in (
            ("deleted", f"{kube.namespace}/gone", str(uuid4())),
            ("made again under its name", f"{kube.namespace}/there", str(uuid4())),
            ("there", f"{kube.namespace}/there", uid),
            ("of another namespace", "another/gone", str(uuid4())),
        ):
            runs[word] = uuid4()
            elsewhere.store(runs[word], app, of, pending=1)
        with elsewhere.operator() as component:
            component.wait_ready()
            for word in ("deleted", "made again under its name"):
                assert elsewhere.field(runs[word], "cancelled_at"), word
            for word in ("there", "of another namespace"):
                assert elsewhere.field(runs[word], "cancelled_at") is None, word


def test_without_mongodb_it_says_what_it_cannot_know_and_makes_cronjobs_all_the_same(
    admin: Kube, tmp_path: Path
) -> None:
    nobody = "mongodb://127.0.0.1:1/?replicaSet=rs0"
    with fresh_namespace(admin) as kube:
        alone = Place(kube, nobody, "none", tmp_path)
        with alone.operator() as component:
            component.wait_ready()
            said = alone.campaign("said")
            assert condition(said, "Ready")["reason"] == "Scheduled"
            assert condition(said, "LastRunSucceeded")["reason"] == "MongoDBUnavailable"
            kube.apply(document("templated", template={"name": "x"}, content=None))
            alone.until("templated", "Ready", "Unknown", "MongoDBUnavailable")
            assert alone.cronjob("templated")["spec"]["suspend"] is False


def test_refused_by_mongodb_it_says_what_to_change_and_makes_cronjobs_all_the_same(
    admin: Kube, locked: LockedMongo, tmp_path: Path
) -> None:
    user = locked.user("readWrite")
    with fresh_namespace(admin) as kube:
        refused = Place(kube, user.uri("wrong"), user.database, tmp_path)
        with refused.operator() as component:
            component.wait_ready()
            said = refused.campaign("said")
            for kind in ("Ready", "LastRunSucceeded"):
                assert condition(said, kind)["reason"] == "MongoDBRefused"
                assert "Secret" in condition(said, kind)["message"]
            kube.apply(document("templated", template={"name": "x"}, content=None))
            refused.until("templated", "Ready", "Unknown", "MongoDBRefused")
            assert refused.cronjob("templated")["spec"]["suspend"] is False

"""Monitors, rules and dashboards on a real cluster: what is selected, scraped, and rings.

Prometheus is a process of this machine, with discovery in Kubernetes; nothing here is invented, nor
is a network policy enforced: those are evaluated.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from monitoring.dashboards import BOARDS, CAMPAIGNS
from monitoring.rules import rules
from tests.chart.reach import Place, reaches
from tests.cluster.campaigns import YEARLY, make_job, name
from tests.cluster.faults import (
    Stage,
    a_campaign_without_its_template,
    a_job_that_a_policy_refuses,
    a_run_that_reaches_nobody,
    an_operator_that_cannot_look,
    an_operator_that_is_gone,
    no_worker,
)
from tests.cluster.harness import tools
from tests.cluster.harness.cluster import Cluster
from tests.cluster.harness.resources import wait_established
from tests.cluster.installation import RELEASE, Installation, helm
from tests.cluster.kube import Kube, Object, names, wait_until
from tests.cluster.watching import (
    FACTOR,
    MONITORED,
    SCRAPED,
    Bell,
    Moment,
    here,
    moment,
    monitors,
    watch,
)
from tests.support.prometheus import Watch
from tests.support.watching import Witness

SERVERS = {"mongodb", "rabbitmq", "replica-set"}
PROMETHEUS = Place(namespace="monitoring")


@pytest.fixture(scope="module")
def monitored(
    own_cluster: Cluster | None, admin: Kube, installation: Installation
) -> Iterator[Installation]:
    """The installation with all that `metrics` of its values can be."""
    if own_cluster is None:
        pytest.skip("a Prometheus of this machine reaches pods of the harness's own cluster alone")
    files = [f"--filename={file}" for file in tools.monitoring_api()]
    admin.run("apply", "--server-side", *files)
    wait_established(admin.run)
    # Those of other tests are not all well.
    installation.kube.run("delete", "campaigns", "--all")
    try:
        installation.upgrade(*MONITORED)
        yield installation
    finally:
        installation.upgrade()


@pytest.fixture(scope="module")
def bell(monitored: Installation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bell]:
    """Prometheus and Alertmanager, with the operator's alerts."""
    kube = monitored.kube
    # The others would take this for trouble.
    hasty = rules(here(kube), factor=FACTOR, operator=True)
    with watch(kube, tmp_path_factory.mktemp("watch"), hasty) as watching:
        yield Bell(Witness(watching, here(kube), FACTOR, operator=True))


@pytest.fixture(scope="module")
def whole(monitored: Installation, bell: Bell) -> Moment:
    """A moment in which a pod of each component lived and was scraped, after helm's own test."""
    kube, mine = monitored.kube, name()
    helm(kube, "test", RELEASE, "--timeout=3m")
    monitored.directory(mine, 2000)
    monitored.campaign(mine, mine, schedule=YEARLY, throttle={"perSecond": 20})
    make_job(kube, mine, f"{mine}-by-hand")
    found: Moment = wait_until(
        "a scrape of every component",
        lambda: moment(kube, bell.witness.watch),
        120,
        lambda: f"{bell.witness.watch.query('up')}\n{kube.run('get', 'pods')}",
    )
    kube.delete("campaign", mine)
    return found


def test_each_pod_of_each_component_is_selected_once_and_nothing_else_is(whole: Moment) -> None:
    assert {"test"} | SERVERS <= {component(pod) for pod in whole.pods}, "nothing to leave out"
    by_pod, by_service = whole.selected["PodMonitor"], whole.selected["ServiceMonitor"]
    assert sorted(by_service) == sorted(names(whole.of("intake")))
    assert sorted(by_pod) == sorted(names(whole.of(*SCRAPED - {"intake"})))


def test_the_port_that_monitors_name_is_the_one_of_each_of_these_pods(whole: Moment) -> None:
    for pod in whole.of(*SCRAPED):
        ports = [port for c in pod["spec"]["containers"] for port in c["ports"]]
        assert [port["containerPort"] for port in ports if port["name"] == "metrics"] == [9090]


def test_prometheus_scrapes_each_with_the_labels_that_alerts_and_dashboards_go_by(
    monitored: Installation, whole: Moment
) -> None:
    living = {p["metadata"]["name"]: p for p in whole.of(*SCRAPED)}
    assert len({sample.labels["pod"] for sample in whole.up}) == len(whole.up), "one twice"
    for sample in whole.up:
        pod = living[sample.labels["pod"]]
        assert sample.labels["component"] == component(pod)
        assert sample.labels["namespace"] == monitored.kube.namespace
        assert sample.labels["release"] == RELEASE
        by_service = component(pod) == "intake"
        job = f"{RELEASE}-intake-metrics" if by_service else f"{monitored.kube.namespace}/{RELEASE}"
        assert sample.labels["job"] == job


def component(pod: Object) -> str:
    """Of Fogbell's, or of a trial server."""
    word: str = pod["metadata"]["labels"]["app.kubernetes.io/component"]
    return word


def test_the_policies_let_a_prometheus_of_another_namespace_reach_metrics_and_no_server(
    monitored: Installation, whole: Moment
) -> None:
    policies = monitored.kube.find("networkpolicies")
    namespace = monitored.kube.namespace
    for pod in whole.of(*SCRAPED):
        target = Place(pod["metadata"]["labels"], namespace)
        assert reaches(policies, PROMETHEUS, target, 9090), pod["metadata"]["name"]
    for pod in whole.of(*SERVERS):
        target = Place(pod["metadata"]["labels"], namespace)
        for port in (27017, 5672, 9090):
            assert not reaches(policies, PROMETHEUS, target, port), pod["metadata"]["name"]


def test_the_api_server_takes_the_monitors_as_they_are_meant(monitored: Installation) -> None:
    found = {(m["kind"], m["metadata"]["name"]) for m in monitors(monitored.kube)}
    assert found == {("PodMonitor", RELEASE), ("ServiceMonitor", f"{RELEASE}-intake")}


def test_prometheus_loads_the_alerts_as_the_api_server_has_them(
    monitored: Installation, tmp_path: Path
) -> None:
    kube = monitored.kube
    (stored,) = kube.find("prometheusrules")
    groups = stored["spec"]["groups"]
    assert groups == rules(here(kube))["groups"]
    expected = {group["name"]: {r["alert"]: "ok" for r in group["rules"]} for group in groups}
    with Watch(tmp_path, {"groups": groups}, [], program=tools.prometheus()) as watching:
        wait_until("a look at every alert", lambda: watching.rules() == expected, 30)


def test_the_dashboards_are_there_for_grafanas_sidecar(monitored: Installation) -> None:
    found = monitored.kube.find("configmaps", "grafana_dashboard=1")
    assert sorted(names(found)) == sorted(f"{RELEASE}-dashboard-{b.uid[8:]}" for b in BOARDS)
    documents = [json.loads(text) for o in found for text in o["data"].values()]
    assert {document["uid"] for document in documents} == {board.uid for board in BOARDS}
    assert all(document["panels"] for document in documents)


@pytest.mark.usefixtures("whole")
def test_each_alert_of_the_operator_rings_for_its_fault_until_its_runbook_is_followed(
    monitored: Installation, admin: Kube, bell: Bell, panels_folder: Path | None
) -> None:
    stage = Stage(monitored, admin, bell)
    a_run_that_reaches_nobody(stage)
    with no_worker(stage):
        a_campaign_without_its_template(stage)
        a_job_that_a_policy_refuses(stage)
    an_operator_that_is_gone(stage)
    an_operator_that_cannot_look(stage)
    if panels_folder:
        bell.witness.keep([CAMPAIGNS], panels_folder)
    assert bell.witness.ringing == [], "after all of them"
    assert bell.witness.complaints() == []

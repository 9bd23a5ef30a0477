"""Every table of values gives objects that Kubernetes takes, and pods that are restricted."""

import kubernetes_validate
import pytest
import yaml
from tests.chart.rendering import (
    CHART,
    ROOT,
    VALUES,
    Object,
    Pod,
    helm,
    parsed,
    render,
    values_files,
)
from tests.chart.rendering import template as helm_template
from tests.cluster.harness import images
from tests.cluster.harness.places import COMPONENTS

FILES = values_files()
VERSIONS = [
    version
    for version in dict.fromkeys(kubernetes_validate.utils.all_versions())
    if tuple(int(part) for part in version.split(".")[:2]) >= (1, 30)
]
CUSTOM = {"HTTPRoute", "PodMonitor", "PrometheusRule", "ServiceMonitor", "ScaledObject"}
"""Kinds that Kubernetes itself does not know."""


def test_the_table_is_whole() -> None:
    assert {"minimal", "external", "dev", "production", "everything"} <= set(FILES)
    assert len(VERSIONS) >= 8


@pytest.mark.parametrize("values", FILES)
def test_lint_has_nothing_to_say(values: str) -> None:
    done = helm("lint", "--strict", "--quiet", CHART, "--values", VALUES / f"{values}.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


# Together these two use every template; for the others the oldest and the newest must do.
WHOLE = {"dev", "everything"}
VALIDATED = [
    (f, v) for f in FILES for v in VERSIONS if f in WHOLE or v in (VERSIONS[0], VERSIONS[-1])
]


@pytest.mark.parametrize(("values", "version"), VALIDATED)
def test_every_object_is_one_that_kubernetes_takes(values: str, version: str) -> None:
    for o in render(values).objects:
        if o["kind"] not in CUSTOM:
            kubernetes_validate.validate(o, version, strict=True)


@pytest.mark.parametrize("values", FILES)
def test_the_runners_template_is_a_pod_that_kubernetes_takes(values: str) -> None:
    pod = render(values).pod("campaign")
    whole = {"apiVersion": "v1", "kind": "Pod", "spec": pod.spec}
    whole["metadata"] = {**pod.metadata, "name": "run"}
    kubernetes_validate.validate(whole, VERSIONS[-1], strict=True)


def test_the_values_of_the_test_cluster_name_the_images_that_are_loaded_into_it() -> None:
    loaded = {f"localhost/fogbell-{component}:test" for component in COMPONENTS}
    named = {c["image"] for pod in render("cluster").pods for c in pod.spec["containers"]}
    assert named == loaded | {images.MONGODB, images.RABBITMQ}


@pytest.mark.parametrize("values", FILES)
def test_every_pod_passes_pod_security_restricted(values: str) -> None:
    for pod in render(values).pods:
        assert_restricted(pod)


def assert_restricted(pod: Pod) -> None:
    """Pod Security Standards, profile Restricted; and a root that cannot be written to."""
    spec = pod.spec
    security = spec["securityContext"]
    assert security["runAsNonRoot"] is True, pod.name
    assert security.get("runAsUser") != 0, pod.name
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}, pod.name
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec), pod.name
    allowed = {"configMap", "emptyDir", "secret", "persistentVolumeClaim", "projected"}
    assert all(set(volume) - {"name"} <= allowed for volume in spec["volumes"]), pod.name
    for container in [*spec["containers"], *spec.get("initContainers", ())]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }, pod.name
        mounted = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
        (tmp,) = [volume for volume in spec["volumes"] if volume["name"] == mounted["/tmp"]]
        assert "emptyDir" in tmp, pod.name
        assert not any("hostPort" in port for port in container.get("ports", ())), pod.name


@pytest.mark.parametrize("values", FILES)
def test_only_the_operator_has_a_token(values: str) -> None:
    rendering = render(values)
    assert not any(
        a["automountServiceAccountToken"] for a in rendering.of("ServiceAccount").values()
    )
    for pod in rendering.pods:
        assert pod.spec["automountServiceAccountToken"] is (pod.component == "operator"), pod.name


@pytest.mark.parametrize("values", FILES)
def test_the_operator_may_do_what_it_must_and_no_more(values: str) -> None:
    rendering = render(values)
    assert not rendering.of("ClusterRole")
    assert not rendering.of("ClusterRoleBinding")
    (role,) = rendering.of("Role").values()
    granted = {
        f"{group}/{resource}": rule["verbs"]
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
    assert granted == {
        "fogbell.dev/campaigns": ["list", "watch"],
        "fogbell.dev/campaigns/status": ["patch"],
        "batch/cronjobs": ["list", "watch", "create", "patch"],
        "batch/jobs": ["list", "watch"],
        "/pods": ["list"],
        "/events": ["create"],
    }
    (binding,) = rendering.of("RoleBinding").values()
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    (subject,) = binding["subjects"]
    assert subject["name"] == rendering.pod("operator").spec["serviceAccountName"]


@pytest.mark.parametrize("values", FILES)
def test_the_campaign_resource_is_the_canonical_one_and_is_kept(values: str) -> None:
    (rendered,) = render(values).of("CustomResourceDefinition").values()
    canonical = yaml.safe_load((ROOT / "k8s" / "crds" / "campaigns.yaml").read_text())
    assert rendered["spec"] == canonical["spec"]
    assert rendered["metadata"]["name"] == canonical["metadata"]["name"]
    assert rendered["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}


def test_the_charts_copy_of_the_campaign_resource_is_the_canonical_one() -> None:
    canonical = (ROOT / "k8s" / "crds" / "campaigns.yaml").read_bytes()
    copy = (CHART / "crds-source" / "campaigns.yaml").read_bytes()
    assert copy == canonical, "cp k8s/crds/campaigns.yaml charts/fogbell/crds-source/"


def test_the_campaign_resource_can_be_left_to_another_release() -> None:
    assert not render("minimal", "crds.install=false").of("CustomResourceDefinition")


def test_without_an_operator_nothing_of_it_is_left() -> None:
    rendering = render("minimal", "operator.enabled=false")
    assert not rendering.of("Role")
    left = {pod.component for pod in rendering.pods} | {
        o["metadata"]["labels"]["app.kubernetes.io/component"] for o in rendering.objects
    }
    assert not left & {"operator", "campaign"}


def test_helms_test_sends_a_mail_to_the_sink_of_a_trial() -> None:
    def email(values: str, *more: str) -> str:
        (variable,) = [
            v for v in render(values, *more).pod("test").container["env"] if v["name"] == "EMAIL"
        ]
        return str(variable["value"])

    assert email("dev") == "helm-test@example.org"
    assert email("dev", "test.email=ops@example.org") == "ops@example.org"
    assert email("minimal") == ""


# Upgrades


def selectors(objects: tuple[Object, ...]) -> dict[str, object]:
    """What cannot be changed once it is installed, by kind and name."""
    return {
        f"{o['kind']}/{o['metadata']['name']}": o["spec"]["selector"]
        for o in objects
        if o["kind"] in {"Deployment", "StatefulSet"}
    }


def test_names_and_selectors_stay_through_upgrades() -> None:
    later = "image.tag=2.0.0", "commonLabels.team=other", "intake.replicas=5"
    before, after = render("dev"), render("dev", *later)
    assert selectors(before.objects) == selectors(after.objects)
    assert {(o["kind"], o["metadata"]["name"]) for o in before.objects} == {
        (o["kind"], o["metadata"]["name"]) for o in after.objects
    }


def test_names_are_those_that_documents_and_scripts_use() -> None:
    assert set(selectors(render("production").objects)) == {
        "Deployment/notify-intake",
        "Deployment/notify-operator",
        "Deployment/notify-worker-email-now",
        "Deployment/notify-worker-email-bulk",
        "Deployment/notify-worker-others",
    }
    assert set(render("production").of("CronJob")) == {"notify-retry"}


def test_names_stay_within_what_kubernetes_allows() -> None:
    values = "--values", VALUES / "dev.yaml", f"--set=worker.pools.{'p' * 15}.replicas=1"
    done = helm_template(*values, release="r" * 53)
    assert done.returncode == 0, done.stderr
    for o in parsed(done.stdout).objects:
        longest = 52 if o["kind"] == "CronJob" else 63
        assert len(o["metadata"]["name"]) <= longest, o["metadata"]["name"]
        assert all(len(value) <= 63 for value in o["metadata"]["labels"].values())


def test_an_upgrade_leaves_the_pods_of_the_trial_servers_alone() -> None:
    before, after = render("dev"), render("dev", "image.tag=2.0.0", "commonLabels.team=other")
    for name in "fogbell-mongodb", "fogbell-rabbitmq":
        pods = [r.one("StatefulSet", name)["spec"]["template"] for r in (before, after)]
        assert pods[0] == pods[1]

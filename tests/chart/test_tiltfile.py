"""The Tiltfile names only what is there: files, images, arguments, resources, ports, keys."""

import re

import pytest
import starlark
from tests.chart.rendering import ROOT
from tests.chart.tilt import MANUAL, Tilt, containers, evaluate, helm_template
from tests.chart.tilt_faults import faults

from fogbell_intake.settings import IntakeSettings

TEXT = (ROOT / "Tiltfile").read_text()


@pytest.fixture(scope="module")
def tilt() -> Tilt:
    return evaluate(TEXT)


def test_everything_that_the_tiltfile_names_is_there(tilt: Tilt) -> None:
    assert tilt.images
    assert tilt.workloads
    assert faults(tilt) == []


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("'fogbell-intake',\n    new_name", "'fogbell-intakes',\n    new_name"),
        ("k8s_resource('fogbell-retry'", "k8s_resource('retry'"),
        ("k8s_resource('fogbell-mongodb', new_name = 'mongodb', labels = ['servers'])\n", ""),
        ("new_name = 'mongodb'", "new_name = 'rabbitmq'"),
        ("'8080:8080'", "'8080:8081'"),
        ("SERVERS = ['replica-set'", "SERVERS = ['replicas'"),
        ("resource_deps = ['operator']", "resource_deps = ['operators']"),
        ("build('retry')", "build('retries')"),
        ("build('retry')\n", ""),
        ("match_in_env_vars = True", "match_in_env_vars = False"),
        ("'fogbell-' + component,", "'fogbel-' + component,"),
        ("{'COMPONENT'", "{'COMPONENTS'"),
        ("            package,\n", ""),
        ("images/build.txt'", "build.txt'"),
        ("only = [", "onli = ["),
        ("'components/core/src/fogbell'", "'components/core/src/fogbel'"),
        ("LIVE = '/tmp/live'", "LIVE = '/opt/live'"),
        ("['intake', 'worker', 'operator']", "['intake', 'worker']"),
        ("'/opt/fogbell/bin/component'", "'/opt/fogbell/bin/intake'"),
        ("k8s/dev/reload.py'", "k8s/dev/reloading.py'"),
        ("k8s/dev/values.yaml", "k8s/dev/value.yaml"),
        ("'k8s/dev/namespace.yaml', ", ""),
        (", 'k8s/dev/secret.yaml'", ""),
        ("NAMESPACE = 'fogbell-dev'", "NAMESPACE = 'fogbell'"),
        ("'charts/fogbell'", "'charts/fogbells'"),
        ("k8s/samples/nightly.yaml", "k8s/samples/hourly.yaml"),
        ("'make test'", "'make tests'"),
        ("fogbell send --to", "fogbell send --for"),
        ("fogbell send", "fogbell post"),
    ],
)
def test_a_slip_is_found(right: str, wrong: str) -> None:
    """So that the test above is worth something."""
    assert right in TEXT
    try:
        slipped = evaluate(TEXT.replace(right, wrong))
    except starlark.StarlarkError:
        return  # Tilt would not take it either
    assert faults(slipped) != []


# What it does


@pytest.mark.parametrize(
    "context",
    [
        "production",
        "fogbell",
        "gke_shop_europe-west4_main",
        "arn:aws:eks:eu-west-1:1:cluster/kind-of-big",
        "minikube.example.org",
        "",
    ],
)
def test_a_cluster_elsewhere_is_refused(context: str) -> None:
    with pytest.raises(starlark.StarlarkError, match="a cluster on this machine"):
        evaluate(TEXT, context)


@pytest.mark.parametrize(
    "context",
    ["kind-kind", "kind-fogbell", "minikube", "docker-desktop", "k3d-dev", "rancher-desktop"],
)
def test_a_cluster_on_this_machine_is_taken_and_the_buttons_keep_to_it(context: str) -> None:
    for command in evaluate(TEXT, context).commands:
        if "kubectl" in command["cmd"]:
            assert command["cmd"][:3] == ["kubectl", "--context", context]


def test_tilts_own_guard_stays_on() -> None:
    assert "allow_k8s_contexts(" not in re.sub(r"#.*", "", TEXT)


def test_nothing_is_fetched_while_it_starts() -> None:
    assert "load(" not in TEXT
    assert "ext://" not in TEXT


def test_a_button_waits_to_be_clicked(tilt: Tilt) -> None:
    assert {c["name"] for c in tilt.commands} == {
        "send-a-test",
        "apply-the-sample",
        "run-the-tests",
    }
    assert all(c["auto_init"] is False and c["trigger_mode"] == MANUAL for c in tilt.commands)


def test_a_rendering_is_the_same_each_time(tilt: Tilt) -> None:
    """Tilt renders the chart at every change: a secret drawn at random would be another."""
    helm_template.cache_clear()
    assert evaluate(TEXT).objects == tilt.objects


def test_pods_keep_the_rules_of_production(tilt: Tilt) -> None:
    (namespace,) = [o for o in tilt.objects if o["kind"] == "Namespace"]
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    for workload in tilt.workloads.values():
        for container in containers(workload):
            assert container["securityContext"]["readOnlyRootFilesystem"] is True


def test_the_keys_of_development_are_such_as_intake_takes(tilt: Tilt) -> None:
    (secret,) = [
        o for o in tilt.objects if o["metadata"]["name"] == "fogbell-dev" and o["kind"] == "Secret"
    ]
    keys = secret["stringData"]
    settings = IntakeSettings.model_validate(
        {
            "mongodb": {"uri": "mongodb://x"},
            "rabbitmq": {"uri": "amqp://x"},
            "inbox_token_secret": keys["inbox-token-secret"],
            "bootstrap_api_key": keys["api-key"],
        }
    )
    assert settings.bootstrap_api_key
    (send,) = [c for c in tilt.commands if c["name"] == "send-a-test"]
    assert send["env"]["FOGBELL_API_KEY"] == keys["api-key"]

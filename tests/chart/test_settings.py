"""What the chart tells the components is what they know, and secrets are told by Secrets alone."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from tests.chart.rendering import Object, Pod, Rendering, render, values_files
from tests.chart.settings_schema import (
    COMPONENTS,
    FIXED,
    SCHEMA,
    SET_BY_VALUES,
    definitions,
    is_open,
    is_secret,
    variables,
)

from fogbell.settings_report import slips
from fogbell.telemetry import exporting
from fogbell_operator.pod_template import check_template

FILES = values_files()
OURS = [(values, component) for values in FILES for component in COMPONENTS]
SHORT = {"FOGBELL_MONGODB_URI", "FOGBELL_RABBITMQ_URI"}
SECRETS = {
    "FOGBELL_MONGODB_URI": "mongodb://db.example.org/?replicaSet=rs0",
    "FOGBELL_RABBITMQ_URI": "amqp://broker.example.org",
    "FOGBELL_EMAIL__URL": "smtp://relay.example.org",
    "FOGBELL_INBOX_TOKEN_SECRET": "s" * 32,
    "FOGBELL_BOOTSTRAP_API_KEY": "fbk_" + "k" * 32,
    "FOGBELL_SMS__AUTH_TOKEN": "token",
    "FOGBELL_PROVIDER__GATEWAY_A__AUTH_TOKEN": "token",
}
"""What the Secrets of the tables of values might hold."""

GIVEN_BY_KUBERNETES = {
    "FOGBELL_JOB_NAME": "fogbell-retry-29000000",
    "FOGBELL_OPERATOR__NAMESPACE": "apps",
    "POD_NAME": "fogbell-intake-0",
}


def environment(rendering: Rendering, pod: Pod) -> dict[str, str]:
    """A container's FOGBELL_ variables."""
    whole = whole_environment(rendering, pod)
    return {name: value for name, value in whole.items() if name.startswith("FOGBELL_")}


def whole_environment(rendering: Rendering, pod: Pod) -> dict[str, str]:
    """A container's variables, with something in place of what the cluster would know."""
    found: dict[str, str] = {}
    for source in pod.container["envFrom"]:
        if "configMapRef" in source:
            found |= rendering.one("ConfigMap", source["configMapRef"]["name"])["data"]
    for variable in pod.container["env"]:
        name = variable["name"]
        known = SECRETS | GIVEN_BY_KUBERNETES
        found[name] = variable["value"] if "value" in variable else known[name]
    return found


def pods_of(rendering: Rendering, component: str) -> list[Pod]:
    return [pod for pod in rendering.pods if pod.component == component]


@pytest.mark.parametrize(("values", "component"), OURS)
def test_every_variable_is_one_that_its_component_knows(values: str, component: str) -> None:
    rendering, kind = render(values), COMPONENTS[component]
    known = {name for name, _ in variables(kind)} | SHORT
    for pod in pods_of(rendering, component):
        given = environment(rendering, pod)
        unknown = {name for name in given if not name.startswith("FOGBELL_PROVIDER__")} - known
        assert not unknown, pod.name
        assert not slips(kind, given), pod.name


@pytest.mark.parametrize(
    ("values", "component"), [(v, c) for v, c in OURS if c != "campaign" and v != "everything"]
)
def test_every_component_starts_with_what_it_is_told(
    values: str, component: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rendering = render(values)
    for pod in pods_of(rendering, component):
        with monkeypatch.context() as process:
            for name, value in environment(rendering, pod).items():
                process.setenv(name, value)
            COMPONENTS[component]()  # raises where a value is wrong


@pytest.mark.parametrize("values", FILES)
def test_campaigns_may_name_the_channels_that_posts_may(values: str) -> None:
    rendering = render(values)
    told = {
        component: environment(rendering, pod)["FOGBELL_OFFERED_CHANNELS"]
        for component in ("intake", "operator", "campaign")
        for pod in pods_of(rendering, component)
    }
    assert len(told) == 3
    assert len(set(told.values())) == 1, told


@pytest.mark.parametrize("values", FILES)
def test_traces_are_on_where_they_are_asked_for_and_spans_are_made(values: str) -> None:
    rendering = render(values)
    on = values in {"everything", "production"}
    for component in COMPONENTS:
        for pod in pods_of(rendering, component):
            told = whole_environment(rendering, pod)
            assert exporting.wanted(told) is (on and component != "operator"), pod.name


def test_a_span_says_of_which_pod_it_is_and_a_share_of_traces_is_kept() -> None:
    (pod,) = pods_of(render("everything"), "campaign")
    told = whole_environment(render("everything"), pod)
    first, *_, last = told["OTEL_RESOURCE_ATTRIBUTES"].split(",")
    assert first == "deployment.environment.name=blue%2C%20%24%28A%29"
    assert last == "k8s.pod.name=$(POD_NAME)"
    # Kubernetes fills in only what stands before.
    names = list(told)
    assert names.index("POD_NAME") < names.index("OTEL_RESOURCE_ATTRIBUTES")
    assert (told["OTEL_TRACES_SAMPLER"], told["OTEL_TRACES_SAMPLER_ARG"]) == (
        "parentbased_traceidratio",
        "0.05",
    )
    assert told["OTEL_EXPORTER_OTLP_ENDPOINT"] == "https://collector.example.org/otlp"


@pytest.mark.parametrize("values", FILES)
def test_the_operator_takes_the_runners_template(values: str) -> None:
    pod = render(values).pod("campaign")
    check_template({"metadata": pod.metadata, "spec": pod.spec})


@pytest.mark.parametrize("values", FILES)
def test_no_secret_stands_in_a_config_map_or_a_pod(values: str) -> None:
    rendering = render(values)
    secrets = {s for s in rendering.secrets if len(s) > 8}
    secrets |= {word for secret in secrets for word in re.findall(r":([\w-]{8,})@", secret)}
    for o in rendering.objects:
        if o["kind"] != "Secret":
            text = json.dumps(o)
            assert not [s for s in secrets if s in text], o["metadata"]["name"]


def test_secrets_are_searched_for_where_there_are_some() -> None:
    assert len(render("external").secrets) >= 5


@pytest.mark.parametrize("component", COMPONENTS)
def test_every_setting_can_be_reached(component: str) -> None:
    """By `settings`, by a value of its own, or, where it is a secret, by extraEnv."""
    offered = json.loads(SCHEMA.read_text())["definitions"][f"{component}Settings"]["properties"]
    for name, field in variables(COMPONENTS[component]):
        if is_open(name, field):
            assert name in offered
        else:
            fixed = name in FIXED or name.startswith("FOGBELL_CAMPAIGN__")
            assert fixed or name in SET_BY_VALUES or is_secret(field), name


def test_the_schema_names_the_settings_that_there_are() -> None:
    found = json.loads(SCHEMA.read_text())["definitions"]
    for name, wanted in definitions().items():
        assert found[name] == wanted, "run: python -m tests.chart.settings_schema"


def test_the_schema_offers_no_secret() -> None:
    secrets = {
        name for kind in COMPONENTS.values() for name, field in variables(kind) if is_secret(field)
    }
    assert {"FOGBELL_MONGODB__URI", "FOGBELL_INBOX_TOKEN_SECRET", "FOGBELL_EMAIL__URL"} <= secrets
    offered = {name for found in definitions().values() for name in found["properties"]}
    assert not offered & secrets


def objects_in(schema: object, place: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    match schema:
        case dict():
            if schema.get("type") == "object" and "properties" in schema:
                yield place, schema
            for key, value in schema.items():
                yield from objects_in(value, f"{place}/{key}")
        case list():
            for item in schema:
                yield from objects_in(item, place)


def test_the_schema_refuses_unknown_keys_everywhere() -> None:
    schema = json.loads(SCHEMA.read_text())
    found = list(objects_in(schema))
    assert len(found) > 40
    assert not [place for place, o in found if o["additionalProperties"] is not False]


# What changes a pod


def checksums(rendering: Rendering) -> dict[str, Object]:
    """By the pods' names."""
    found = {}
    for pod in rendering.pods:
        notes: Object = pod.metadata.get("annotations", {})
        found[pod.name] = {k: v for k, v in notes.items() if k.startswith("checksum/")}
    return found


def changed(before: Rendering, after: Rendering) -> set[str]:
    """The names of pods whose checksums differ."""
    old, new = checksums(before), checksums(after)
    return {name for name in new if old.get(name) != new[name]}


def test_a_changed_setting_starts_the_pods_that_read_it_anew() -> None:
    before = render("minimal")
    common = render("minimal", "settings.FOGBELL_LOG__LEVEL=debug")
    assert changed(before, common) == {
        "fogbell-intake",
        "fogbell-worker-main",
        "fogbell-retry",
        "fogbell-operator",
        "fogbell-runner",
    }
    own = render("minimal", "intake.settings.FOGBELL_HTTP__ACCESS_LOG=false")
    assert changed(before, own) == {"fogbell-intake"}


def test_a_changed_runner_starts_the_operator_anew() -> None:
    after = render("minimal", "campaign.resources.limits.memory=1Gi")
    assert changed(render("minimal"), after) == {"fogbell-operator"}


def test_a_changed_address_starts_every_pod_anew() -> None:
    before = render("external")
    after = render("external", "rabbitmq.uri=amqp://other.example.org")
    assert {pod.component for pod in after.pods if pod.name in changed(before, after)} == {
        *COMPONENTS
    }


def test_the_time_to_stop_follows_the_settings() -> None:
    def grace(rendering: Rendering, name: str) -> int:
        (found,) = [pod for pod in rendering.pods if pod.name == name]
        seconds: int = found.spec["terminationGracePeriodSeconds"]
        return seconds

    assert grace(render("dev"), "fogbell-intake") == 5 + 20 + 10
    assert grace(render("dev"), "fogbell-worker-main") == 40 + 10
    assert grace(render("everything"), "everything-intake") == 0 + 45 + 10
    assert grace(render("production"), "notify-intake") == 10 + 20 + 10
    assert grace(render("production"), "notify-worker-email-bulk") == 60 + 10


def test_a_pool_has_its_own_settings_and_those_of_all_workers() -> None:
    rendering = render("everything")
    deployments = rendering.of("Deployment")
    assert deployments["everything-worker-steady"]["spec"]["replicas"] == 4
    assert "replicas" not in deployments["everything-worker-main"]["spec"]
    assert set(rendering.of("HorizontalPodAutoscaler")) == {
        "everything-intake",
        "everything-worker-main",
    }
    assert set(rendering.of("PodDisruptionBudget")) == {
        "everything-intake",
        "everything-worker-main",
        "everything-worker-bulk-email",
    }


def test_keda_looks_at_every_queue_of_its_pool() -> None:
    scaled = render("production").one("ScaledObject", "notify-worker-email-bulk")["spec"]
    queues = {t["metadata"]["queueName"]: t["metadata"]["value"] for t in scaled["triggers"]}
    assert queues == {"fogbell.email.bulk": "20", "fogbell.expansion": "5"}
    assert scaled["scaleTargetRef"]["name"] == "notify-worker-email-bulk"


def test_images_are_named_by_registry_tag_and_digest() -> None:
    images = {pod.name: pod.container["image"] for pod in render("everything").pods}
    assert images["everything-worker-main"] == "registry.example.org/messaging/fogbell-worker:1.2.3"
    assert images["everything-intake"].endswith(
        "/fogbell-intake:1.2.3@sha256:" + "0123456789abcdef" * 4
    )
    assert render("minimal").pod("retry").container["image"] == "fogbell-retry:0.1.0"

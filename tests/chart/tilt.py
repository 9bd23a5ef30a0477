"""Evaluates the Tiltfile with stand-ins for Tilt's functions that note what they are asked.

The stand-ins take what the real ones are documented to take, so that a misspelt argument is an
error here, too (https://docs.tilt.dev/api.html).
"""

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import starlark
import yaml
from tests.chart.rendering import ROOT, helm

WORKLOADS = {"Deployment", "StatefulSet", "CronJob", "Job", "Pod", "DaemonSet"}

Json = dict[str, Any]

# The functions that only declare something, with their arguments in order.
DECLARATIONS = {
    "docker_build": "ref context build_args dockerfile dockerfile_contents live_update"
    " match_in_env_vars ignore only entrypoint target ssh network secret extra_tag container_args"
    " cache_from pull platform extra_hosts",
    "k8s_resource": "workload new_name port_forwards extra_pod_selectors trigger_mode resource_deps"
    " objects auto_init pod_readiness links labels discovery_strategy",
    "local_resource": "name cmd deps trigger_mode resource_deps ignore auto_init serve_cmd cmd_bat"
    " serve_cmd_bat allow_parallel links tags env serve_env readiness_probe dir serve_dir labels",
}
MANUAL = "manual"


@dataclass(slots=True)
class Tilt:
    """What a Tiltfile declared."""

    images: list[Json] = field(default_factory=list)
    resources: list[Json] = field(default_factory=list)
    commands: list[Json] = field(default_factory=list)
    objects: list[Json] = field(default_factory=list)

    @property
    def workloads(self) -> dict[str, Json]:
        """Objects that have pods, by the name that Tilt gives their resource."""
        return {o["metadata"]["name"]: o for o in self.objects if o["kind"] in WORKLOADS}


def evaluate(text: str, context: str = "kind-kind") -> Tilt:
    """What ``text`` declares where kubectl has ``context``. Raises `starlark.StarlarkError`."""
    tilt = Tilt()
    module = starlark.Module()
    for name, function in functions(tilt, context).items():
        module.add_callable(name, function)
    module["TRIGGER_MODE_MANUAL"] = MANUAL
    program = starlark.parse("Tiltfile", text, starlark.Dialect.extended())
    starlark.eval(module, program, starlark.Globals.standard())
    return tilt


def functions(tilt: Tilt, context: str) -> dict[str, Callable[..., Any]]:
    """The stand-ins by name."""
    return {
        "docker_build": noting(tilt.images, "docker_build"),
        "k8s_resource": noting(tilt.resources, "k8s_resource"),
        "local_resource": noting(tilt.commands, "local_resource"),
        "k8s_context": lambda: context,
        "k8s_yaml": lambda given: tilt.objects.extend(documents(given)),
        "sync": lambda local_path, remote_path: {"sync": [local_path, remote_path]},
        "run": lambda cmd: {"run": cmd},
        "link": lambda url, name: {"url": url, "name": name},
        "helm": rendered,
        "filter_yaml": filter_yaml,
        "read_file": lambda path: (ROOT / path).read_text(),
        "read_yaml": lambda path: loaded((ROOT / path).read_text())[0],
        "decode_yaml_stream": loaded,
        "encode_yaml_stream": dumped,
    }


def noting(calls: list[Json], function: str) -> Callable[..., None]:
    """A stand-in that notes the arguments of each call, by name."""
    names = DECLARATIONS[function].split()

    def noted(*given: object, **named: object) -> None:
        call = dict(zip(names, given, strict=False)) | named
        if len(given) > len(names) or call.keys() - set(names):
            raise TypeError(f"{function}() takes {', '.join(names)}; not {', '.join(call)}")
        calls.append(call)

    return noted


def rendered(chart: str, name: str, namespace: str, values: list[str]) -> str:
    """What Tilt runs: `helm template`, without the tests of the chart."""
    return helm_template(chart, name, namespace, tuple(values))


@functools.cache
def helm_template(chart: str, name: str, namespace: str, values: tuple[str, ...]) -> str:
    """The chart's objects. Raises `ValueError` with what Helm says."""
    files = [f"--values={ROOT / file}" for file in values]
    done = helm("template", name, ROOT / chart, f"--namespace={namespace}", *files, "--skip-tests")
    if done.returncode:
        raise ValueError(done.stderr)
    return done.stdout


def filter_yaml(text: str, kind: str) -> tuple[str, str]:
    """Objects of a kind, and the others."""
    found: dict[bool, list[Json]] = {True: [], False: []}
    for document in loaded(text):
        found[document["kind"].lower() == kind].append(document)
    return dumped(found[True]), dumped(found[False])


def documents(given: str | list[str]) -> Iterator[Json]:
    """The objects of text, or of files."""
    texts = [given] if isinstance(given, str) else [(ROOT / path).read_text() for path in given]
    for text in texts:
        yield from loaded(text)


@functools.cache
def loaded(text: str) -> list[Json]:
    """The objects of a text; not to be changed."""
    return [document for document in yaml.load_all(text, yaml.CSafeLoader) if document]


def dumped(objects: list[Json]) -> str:
    """A text of objects."""
    text: str = yaml.dump_all(objects, Dumper=yaml.CSafeDumper)
    return text


def pod(workload: Json) -> Json:
    """The spec of a workload's pods."""
    spec: Json = workload["spec"]
    if workload["kind"] == "CronJob":
        spec = spec["jobTemplate"]["spec"]
    template: Json = spec["template"]["spec"]
    return template


def containers(workload: Json) -> list[Json]:
    """All containers of a workload's pods."""
    spec = pod(workload)
    return [*spec.get("initContainers", []), *spec["containers"]]

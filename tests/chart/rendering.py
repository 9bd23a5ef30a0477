"""The chart rendered by helm, and what tests look for in it."""

import base64
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "fogbell"
VALUES = Path(__file__).parent / "values"
HELM = Path(sys.executable).parent / "helm"
RELEASE, NAMESPACE = "fogbell", "apps"

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod as one of the chart's objects makes it, or the operator from the chart's template."""

    name: str
    component: str
    metadata: Object
    spec: Object

    @property
    def labels(self) -> Mapping[str, str]:
        """Its labels."""
        labels: Mapping[str, str] = self.metadata["labels"]
        return labels

    @property
    def container(self) -> Object:
        """Its only container."""
        (only,) = self.spec["containers"]
        container: Object = only
        return container


@dataclass(frozen=True, slots=True)
class Rendering:
    """Every object of one release."""

    objects: tuple[Object, ...]

    def of(self, kind: str) -> dict[str, Object]:
        """The objects of one kind, by their names."""
        return {o["metadata"]["name"]: o for o in self.objects if o["kind"] == kind}

    def one(self, kind: str, name: str) -> Object:
        """The object of that kind and name."""
        return self.of(kind)[name]

    @property
    def pods(self) -> list[Pod]:
        """Every pod that comes of it."""
        return list(_pods(self.objects))

    def pod(self, component: str) -> Pod:
        """The only pod of a component."""
        (found,) = [pod for pod in self.pods if pod.component == component]
        return found

    @property
    def secrets(self) -> set[str]:
        """Every value of every Secret."""
        values = (value for o in self.of("Secret").values() for value in o["data"].values())
        return {base64.b64decode(value).decode() for value in values}


def _pods(objects: tuple[Object, ...]) -> Iterator[Pod]:
    for o in objects:
        name = o["metadata"]["name"]
        match o:
            case {"kind": "Deployment" | "StatefulSet", "spec": {"template": template}}:
                yield _pod(name, template)
            case {"kind": "CronJob", "spec": {"jobTemplate": {"spec": {"template": template}}}}:
                yield _pod(name, template)
            case {"kind": "Pod"}:
                yield _pod(name, o)
            case {"kind": "ConfigMap", "data": {"runner.yaml": text}}:
                yield _pod(name, yaml.safe_load(text))


def _pod(name: str, template: Object) -> Pod:
    component = template["metadata"]["labels"]["app.kubernetes.io/component"]
    return Pod(name, component, template["metadata"], template["spec"])


def helm(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run helm; its status is for the test to judge."""
    words = [str(word) for word in (HELM, *arguments)]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)


def template(*arguments: str | Path, release: str = RELEASE) -> "subprocess.CompletedProcess[str]":
    """``helm template`` of the chart, against no cluster."""
    return helm("template", release, CHART, "--namespace", NAMESPACE, *arguments)


def parsed(text: str) -> Rendering:
    """What helm printed, as objects."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return Rendering(tuple(o for o in yaml.load_all(text, loader) if o))


@cache
def render(values: str, *more: str) -> Rendering:
    """The release that ``tests/chart/values/<values>.yaml`` describes; rendered once a process.

    ``more`` are ``--set`` assignments.
    """
    done = template("--values", VALUES / f"{values}.yaml", *(f"--set={word}" for word in more))
    assert done.returncode == 0, done.stderr
    return parsed(done.stdout)


def values_files() -> list[str]:
    """Their names."""
    return sorted(path.stem for path in VALUES.glob("*.yaml"))

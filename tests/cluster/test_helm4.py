"""The chart with Helm 4: the same objects as with Helm 3, installed and tested the same."""

from pathlib import Path
from typing import Any

import pytest
from tests.chart.rendering import CHART, NAMESPACE, VALUES, Object, Rendering, parsed, values_files
from tests.chart.rendering import render as helm3_render
from tests.cluster.ground import Ground
from tests.cluster.harness import tools
from tests.cluster.installation import KEEP_CRDS, RELEASE, helm, install
from tests.cluster.kube import Kube, fresh_namespace
from tests.support.commands import run

from fogbell_local.sink import SinkServer


@pytest.fixture(scope="module")
def helm4() -> Path:
    """Helm 4, built from its Go module once for each machine."""
    program = tools.helm4()
    assert run(program, "version", "--short").startswith("v4.")
    return program


def comparable(rendering: Rendering) -> list[Object]:
    """Its objects without what is generated anew each time, and checksums of that."""
    return [_without_secrets(o) for o in rendering.objects]


def _without_secrets(value: Any) -> Any:
    match value:
        case {"kind": "Secret", "data": dict(data), **others}:
            return {**others, "data": sorted(data)}
        case dict():
            return {
                key: _without_secrets(inner)
                for key, inner in value.items()
                if not str(key).startswith("checksum/")
            }
        case list():
            return [_without_secrets(inner) for inner in value]
    return value


@pytest.mark.parametrize("values", values_files())
def test_helm_4_renders_what_helm_3_renders(helm4: Path, values: str) -> None:
    file = VALUES / f"{values}.yaml"
    text = run(helm4, "template", RELEASE, CHART, "--namespace", NAMESPACE, "--values", file)
    assert comparable(parsed(text)) == comparable(helm3_render(values))


@pytest.mark.parametrize("values", values_files())
def test_lint_of_helm_4_has_nothing_to_say(helm4: Path, values: str) -> None:
    run(helm4, "lint", "--strict", "--quiet", CHART, "--values", VALUES / f"{values}.yaml")


def test_helm_4_installs_it_and_its_own_test_is_green(
    helm4: Path, ground: Ground, admin: Kube, tmp_path: Path
) -> None:
    with (
        SinkServer.start(tmp_path, host=ground.sink_host) as sink,
        fresh_namespace(admin) as kube,
    ):
        install(kube, sink, KEEP_CRDS, *ground.flags, program=helm4)
        helm(kube, "test", RELEASE, "--timeout=3m", program=helm4)
        assert any("helm-test@example.org" in entry.to for entry in sink.entries())

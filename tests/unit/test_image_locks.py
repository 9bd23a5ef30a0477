"""What the images install: development's very versions, all that a component needs, no more."""

import re
import runpy
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
REQUIREMENTS = ROOT / "requirements"
IMAGES = sorted(file.stem for file in (REQUIREMENTS / "images").glob("*.txt"))
COMPONENTS = [name for name in IMAGES if name != "build"]

needs: Callable[[str], list[str]] = runpy.run_path(str(REQUIREMENTS / "needs.py"))["needs"]


def pins(lock: str) -> dict[str, str]:
    """Package to version, of one file below requirements/."""
    text = (REQUIREMENTS / f"{lock}.txt").read_text()
    return dict(re.findall(r"^([a-z0-9._-]+)==([^ ;\\]+)", text, re.MULTILINE))


def test_there_is_a_lock_for_each_image_of_the_makefile() -> None:
    show = "show: ; @echo $(IMAGES)"
    asked = ["make", "--silent", f"--eval={show}", "show"]
    found = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True)
    assert sorted(found.stdout.split()) == COMPONENTS


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_installs_the_versions_that_are_tested(image: str) -> None:
    tested, installed = pins("dev"), pins(f"images/{image}")
    assert installed
    assert {name: tested.get(name) for name in installed} == installed, "run 'make lock'"


@pytest.mark.parametrize("component", COMPONENTS)
def test_an_image_has_every_need_of_its_component_extras_included(component: str) -> None:
    installed = pins(f"images/{component}")
    for need in map(Requirement, needs(component)):
        version = installed.get(canonicalize_name(need.name))
        assert version, f"run 'make lock': {need.name} is missing"
        assert need.specifier.contains(version), f"run 'make lock': {need} but {version}"


@pytest.mark.parametrize("image", IMAGES)
def test_every_package_of_an_image_is_held_to_its_hash(image: str) -> None:
    text = (REQUIREMENTS / "images" / f"{image}.txt").read_text()
    packages = [part for part in re.split(r"^(?=[a-z])", text, flags=re.MULTILINE) if "==" in part]
    assert [part for part in packages if "--hash=sha256:" not in part] == []


@pytest.mark.parametrize("component", COMPONENTS)
def test_nothing_that_builds_is_left_in_an_image(component: str) -> None:
    assert not pins(f"images/{component}").keys() & {"pip", "setuptools", "wheel", "hatchling"}


@pytest.mark.parametrize("component", [name for name in COMPONENTS if name != "operator"])
def test_only_the_operator_speaks_to_kubernetes(component: str) -> None:
    assert not pins(f"images/{component}").keys() & {"kopf", "lightkube", "kubernetes"}


def test_the_worker_can_speak_to_the_services_of_apprise() -> None:
    assert "apprise" in pins("images/worker")


@pytest.mark.parametrize("component", COMPONENTS)
def test_an_image_is_labelled_with_the_version_that_is_in_it(component: str) -> None:
    project = tomllib.loads((ROOT / "components" / component / "pyproject.toml").read_text())
    labelled = re.findall(r"^ARG VERSION=(.+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert labelled == [project["project"]["version"]]
    assert f"fogbell-{component}" in project["project"]["scripts"], "what ENTRYPOINT starts"


def test_the_documented_build_makes_every_image_as_the_chart_names_it() -> None:
    page = (ROOT / "docs" / "development.md").read_text()
    (named,) = re.findall(r"^for component in (.+); do$", page, re.MULTILINE)
    assert sorted(named.split()) == COMPONENTS
    chart = (ROOT / "charts" / "fogbell" / "Chart.yaml").read_text()
    (version,) = re.findall(r"^appVersion: (.+)$", chart, re.MULTILINE)
    assert f"--tag fogbell-$component:{version} " in page
    values = (ROOT / "charts" / "fogbell" / "values.yaml").read_text()
    assert sorted(re.findall(r"repository: fogbell-(\w+)", values)) == COMPONENTS

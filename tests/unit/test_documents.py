"""README.md and docs/ name what exists, all of it where they promise so, and lead somewhere."""

import re
import tomllib
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
import typer
from monitoring import alerts, metrics_page, rules
from monitoring.catalogue import metrics
from monitoring.pages import filled
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from fogbell.settings import Settings
from fogbell_campaign.settings import CampaignSettings
from fogbell_intake.problem_types import TYPES
from fogbell_intake.routes import TABLE
from fogbell_intake.settings import IntakeSettings
from fogbell_local.__main__ import app
from fogbell_local.client.connection import KEY_VARIABLE, URL_VARIABLE
from fogbell_operator.settings import OperatorComponentSettings
from fogbell_retry.settings import RetryComponentSettings
from fogbell_worker.channels.webhook.signature import webhook_headers
from fogbell_worker.settings import WorkerSettings

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(
    [*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *ROOT.glob("tests/*.md"), *ROOT.glob("*/README.md")]
)

Row = tuple[str, ...]


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def rows(page: str, first_cell: str) -> list[Row]:
    """The rows of a page's tables whose first cell matches, as cells without code marks."""
    found = []
    for line in (DOCS / page).read_text().splitlines():
        cells = tuple(cell.strip().strip("`") for cell in line.strip("| ").split(" | "))
        if line.startswith("|") and re.fullmatch(first_cell, cells[0]):
            found.append(cells)
    return found


# Settings


def variables(kind: type[BaseModel]) -> dict[str, str]:
    """Every variable of a settings class, with its default as the document writes it."""
    found: dict[str, str] = {}
    for name, field in kind.model_fields.items():
        variable = f"FOGBELL_{name.upper()}"
        group = group_of(field.annotation)
        if group is None:
            found[variable] = written(field.get_default(call_default_factory=True))
            continue
        given = field.get_default()
        for inner, inner_field in group.model_fields.items():
            own = inner_field.get_default(call_default_factory=True)
            default = getattr(given, inner) if isinstance(given, BaseModel) else own
            found[f"{variable}__{inner.upper()}"] = written(default)
    return {name.replace("DB__URI", "DB_URI").replace("MQ__URI", "MQ_URI"): d
            for name, d in found.items()}  # fmt: skip


def group_of(annotation: object) -> type[BaseModel] | None:
    for candidate in (annotation, *getattr(annotation, "__args__", ())):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None


def written(default: object) -> str:
    match default:
        case _ if default is PydanticUndefined:
            return "required"
        case None:
            return "none"
        case tuple() if not default:
            return "none"
        case bool():
            return str(default).lower()
        case Enum():
            return str(default.value)
        case float():
            return f"{default:g}"
        case frozenset():
            return ",".join(sorted(written(word) for word in default))
        case _:
            return str(default)


COMPONENTS: dict[str, type[Settings]] = {
    "Intake": IntakeSettings,
    "Worker": WorkerSettings,
    "Retry": RetryComponentSettings,
    "Campaign": CampaignSettings,
    "Operator": OperatorComponentSettings,
}


def documented_variables() -> dict[str, dict[str, str]]:
    """Variables and defaults under each second-level heading of settings.md."""
    sections: dict[str, dict[str, str]] = {}
    for part in re.split(r"^## ", (DOCS / "settings.md").read_text(), flags=re.MULTILINE)[1:]:
        listed = re.findall(r"^\| `(FOGBELL_\w+)` \| `?([^|]*?)`? \|", part, re.MULTILINE)
        assert len(listed) == len(dict(listed)), "a variable stands twice in one section"
        if listed:
            sections[part.splitlines()[0]] = dict(listed)
    return sections


def test_settings_of_every_component_are_documented_and_no_others() -> None:
    common = variables(Settings)
    expected = {"Every component": common}
    for title, kind in COMPONENTS.items():
        own = variables(kind)
        expected[title] = {name: own[name] for name in own.keys() - common.keys()}
    documented = documented_variables()
    command_line = documented.pop("Command line")
    assert documented == expected
    assert command_line.keys() == {URL_VARIABLE, KEY_VARIABLE}


def test_each_setting_says_its_unit_and_its_meaning() -> None:
    listed = rows("settings.md", r"FOGBELL_\w+")
    assert listed
    assert [row[0] for row in listed if len(row) != 4 or not all(row)] == []


VARIABLE = re.compile(r"\bFOGBELL_[A-Z_]*[A-Z]")


def test_other_pages_name_only_settings_that_exist() -> None:
    known = {name for section in documented_variables().values() for name in section}
    known |= {name.replace("_URI", "__URI") for name in known}
    groups = {name.partition("__")[0] for name in known}  # as in `FOGBELL_RETRY__*`
    # The cluster tests have some of their own.
    for module in (ROOT / "tests" / "cluster").rglob("*.py"):
        known |= set(VARIABLE.findall(module.read_text()))
    for page in set(PAGES) - {DOCS / "settings.md"}:
        # providers.md names groups that an operator names
        text = re.sub(r"\bFOGBELL_PROVIDER__\w+", "", page.read_text())
        named = set(VARIABLE.findall(text))
        assert named <= known | groups, name_of(page)


# Metrics


@pytest.mark.parametrize("part", ["metrics", "alerts"])
def test_tables_that_are_written_from_the_code_are_todays(part: str) -> None:
    module = {"metrics": metrics_page, "alerts": rules}[part]
    text = module.DOCUMENT.read_text()
    assert text == filled(text, part, module.table()), f"python -m {module.__name__}"


def test_every_alert_has_a_runbook_and_no_other_page_is_there() -> None:
    pages = {page.stem: page.read_text() for page in (DOCS / "runbooks").glob("*.md")}
    assert pages.keys() == {alert.runbook for alert in alerts.ALERTS}
    for alert in alerts.ALERTS:
        headings = re.findall(r"^#+ (.*)$", pages[alert.runbook], re.MULTILINE)
        assert headings == [alert.name, "Look", "Mend"]


def test_runbooks_name_only_metrics_that_exist() -> None:
    known = {metric.name for metric in metrics()}
    for page in (DOCS / "runbooks").glob("*.md"):
        named = set(re.findall(r"fogbell_\w+", page.read_text()))
        assert {re.sub("_(bucket|count)$", "", name) for name in named} <= known, page.name


# The interface


def test_the_documented_routes_are_those_of_the_table() -> None:
    listed = [row[:3] for row in rows("api.md", r"(GET|POST|PUT|DELETE|PATCH)")]
    asked = {"recipient_token": "recipient's token", "none": "nothing"}
    assert sorted(listed) == sorted(
        (
            route.method,
            route.path.replace(":path}", "}"),
            str(route.scope or asked[route.authentication]),
        )
        for route in TABLE
    )


def test_the_documented_problems_are_those_of_intake() -> None:
    documented = {(row[0], row[1]) for row in rows("api.md", r"[a-z]+(-[a-z]+)*")
                  if re.fullmatch(r"[45]\d\d", row[1])}  # fmt: skip
    assert documented == {(kind.code, str(kind.status)) for kind in TYPES.values()}


def test_the_documented_verification_takes_what_the_worker_signs() -> None:
    text = (DOCS / "channels.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names: dict[str, Any] = {}
    exec(example, names)
    old, new, body = "whsec_b2xkIG9uZQ==", "whsec_bmV3IG9uZQ==", b'{"type":"x"}'
    headers = webhook_headers([new, old], "0193", int(names["time"].time()), body)
    for secret in (old, new):
        names["verify"](secret, headers, body)
    for wrong in ((old, headers, body + b" "), ("whsec_bm9uZQ==", headers, body)):
        with pytest.raises(ValueError, match="signature"):
            names["verify"](*wrong)
    late = webhook_headers([old], "0193", int(names["time"].time()) - 301, body)
    with pytest.raises(ValueError, match="old"):
        names["verify"](old, late, body)


# Links and commands


def anchor(heading: str) -> str:
    """As GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower().replace("`", "")).strip().replace(" ", "-")


def anchors(page: Path) -> set[str]:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    return {anchor(heading) for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, fragment = target.partition("#")
        found = (page.parent / path) if path else page
        assert found.exists(), target
        assert not fragment or fragment in anchors(found), target


def test_every_page_of_the_docs_is_reached_from_the_index() -> None:
    index = (DOCS / "README.md").read_text()
    linked = set(re.findall(r"\]\(([\w.-]+\.md)\)", index))
    assert linked == {page.name for page in DOCS.glob("*.md")} - {"README.md"}


def test_every_component_has_a_place_in_the_architecture_and_in_the_list_of_folders() -> None:
    folders = {file.parent.name for file in ROOT.glob("components/*/pyproject.toml")}
    architecture = (DOCS / "architecture.md").read_text()
    parts = set(re.findall(r"^\| \*\*(\w+)\*\* \|", architecture, re.MULTILINE))
    components = (ROOT / "components" / "README.md").read_text()
    listed = set(re.findall(r"^\| `(\w+)` \|", components, re.MULTILINE))
    assert folders == listed == parts - {"MongoDB", "RabbitMQ"}


def commands(page: Path) -> Iterator[str]:
    """What stands in code, a command each: lines of blocks and spans within a line.

    A block of `text` is what a command printed.
    """
    text = page.read_text()
    blocks = re.findall(r"```(?!text)\w*\n(.*?)```", text, re.DOTALL)
    rest = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    for code in [*blocks, *re.findall(r"`([^`]+)`", rest)]:
        for line in code.replace("\\\n", " ").splitlines():
            yield from re.split(r" && |; |\$\(", line.split(" #")[0].removeprefix("$ ").strip())


def test_every_make_target_that_is_named_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z][\w-]*):", makefile, re.MULTILINE))
    named = {found[1] for page in PAGES for command in commands(page)
             if (found := re.match(r"make ([\w-]+)", command))}  # fmt: skip
    assert {"demo", "up", "test", "e2e", "cluster", "cluster-down"} <= named <= targets


WHOLE_CLUSTER = {"nodes", "namespace", "customresourcedefinition"}
"""What kubectl acts on without a namespace."""


def test_every_command_of_kubectl_names_its_namespace() -> None:
    """Copied as it stands, it would look into the namespace `default`, and find nothing there."""
    lost = [
        f"{name_of(page)}: {command}"
        for page in PAGES
        for command in commands(page)
        if (found := re.match(r"kubectl (?!-)(\S+) (\S+)", command))
        and found[1] != "explain"
        and found[2] not in WHOLE_CLUSTER
    ]
    assert lost == []


def test_every_fogbell_command_that_is_named_exists_with_its_options() -> None:
    root = typer.main.get_command(app)
    for page in PAGES:
        for command in commands(page):
            found = re.match(r"(?:\S*/)?fogbell ([a-z].*)", command)
            if found:
                check_command(root, found[1].split(), f"{name_of(page)}: {command}")


def check_command(root: Any, words: list[str], where: str) -> None:
    command = root
    while hasattr(command, "commands") and words and not words[0].startswith("-"):
        word = words.pop(0).rstrip(":")
        assert word in command.commands, where
        command = command.commands[word]
    known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
    assert {word for word in words if word.startswith("--")} <= known, where


def test_every_program_that_is_named_exists() -> None:
    programs: set[str] = set()
    for file in ROOT.glob("components/*/pyproject.toml"):
        programs |= tomllib.loads(file.read_text())["project"].get("scripts", {}).keys()
    for page in PAGES:
        named = {found[1] for command in commands(page)
                 if (found := re.match(r"(?:\S*/bin/)(fogbell[\w-]*)", command))}  # fmt: skip
        assert named <= programs, name_of(page)

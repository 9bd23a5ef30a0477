"""The pages of docs/examples/http: their commands, and whether they print what the pages say."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fogbell_intake.routes import TABLE

ROOT = Path(__file__).parents[2]
HTTP = ROOT / "docs" / "examples" / "http"
PYTHON = ROOT / "docs" / "examples" / "python"
INDEX = HTTP / "README.md"
PAGES = sorted(set(HTTP.glob("*.md")) - {INDEX})

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_END = "\x1e"
"""What is printed between two blocks: RECORD SEPARATOR."""


@dataclass(frozen=True)
class Step:
    """One block of commands, and what the block below it says that they print."""

    commands: str
    prints: str


def steps(page: Path) -> list[Step]:
    """A page's blocks of commands, in their order; a block of no kind is for people alone."""
    found: list[Step] = []
    for kind, text in _BLOCK.findall(page.read_text()):
        if kind == "sh":
            found.append(Step(text, ""))
        elif kind:
            found[-1] = Step(found[-1].commands, found[-1].prints + text)
    return found


def names() -> str:
    """The index's last block: what every page uses, defined once."""
    return steps(INDEX)[-1].commands


def script(page: Path) -> str:
    """All of a page's commands as they stand, for one shell."""
    blocks = [names(), *(step.commands for step in steps(page))]
    return f"\nprintf '{_END}'\n".join(["set -eu", *blocks])


def printed(output: str) -> list[str]:
    """What each block of `script` has printed."""
    return output.split(_END)[2:]


# Comparing: ids, times and secrets differ, "..." stands for whatever is there, answers may grow

_DIFFERENT = {
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}": "ID",
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z": "TIME",
    r"fb[ki]_[\w.-]*|whsec_[\w+/=.]*": "SECRET",
    r"127\.0\.0\.1:\d+": "ADDRESS",
    r"(?<=\bid: )\S+": "CURSOR",
    r'(?<="next": )"[^"]+"|(?<="next":)"[^"]+"': '"CURSOR"',
}
_ANYTHING = "ANYTHING"


def disagreements(page: Path, output: str) -> Iterator[str]:
    """What a page's commands have printed where that is not what stands below them."""
    for step, found in zip(steps(page), printed(output), strict=True):
        if not agree(step.prints, found):
            yield f"{page.name}:\n{step.commands}\nprinted:\n{found}\n"


def agree(shown: str, answered: str) -> bool:
    """Whether ``answered`` is what ``shown`` stands for; white space does not count.

    Of JSON, members that are not shown do not count either: the interface's answers may grow.
    """
    shown, answered = _plain(shown), _plain(answered)
    try:
        wanted = re.sub(r"\{\.\.\.\}|(?<=: )\.\.\.", f'"{_ANYTHING}"', shown)
        return _holds(json.loads(wanted), json.loads(answered))
    except ValueError:
        return _matches(shown, answered)


def _plain(text: str) -> str:
    for different, name in _DIFFERENT.items():
        text = re.sub(different, name, text)
    return text


def _holds(shown: object, answered: object) -> bool:
    if isinstance(shown, dict) and isinstance(answered, dict):
        return all(k in answered and _holds(v, answered[k]) for k, v in shown.items())
    if isinstance(shown, list) and isinstance(answered, list):
        same_length = len(shown) == len(answered)
        return same_length and all(map(_holds, shown, answered))
    if isinstance(shown, str) and isinstance(answered, str) and shown != _ANYTHING:
        return _matches(shown, answered)
    return shown == _ANYTHING or (type(shown), shown) == (type(answered), answered)


def _matches(shown: str, answered: str) -> bool:
    pattern = re.escape("".join(shown.split())).replace(re.escape("..."), ".*")
    return re.fullmatch(pattern, "".join(answered.split()), re.DOTALL) is not None


# Which routes the pages show


def shown_routes() -> set[tuple[str, str]]:
    """Method and path, as the route table has them, of every curl command of the pages."""
    pages = [INDEX, *PAGES]
    return {route for page in pages for step in steps(page) for route in routes(step.commands)}


def routes(commands: str) -> Iterator[tuple[str, str]]:
    """The routes that curl commands ask for; raises AssertionError for one that is none."""
    text = commands.replace("\\\n", " ")
    for pattern in (r"\$\([^()]*\)", r"'[^']*'"):
        text = re.sub(pattern, "VALUE", text)
    for command in re.split(r"[\n|;&]", text):
        for path in re.findall(r"\bcurl .*\$FOGBELL_URL(/[^\s\"?]*)", command):
            yield known_route(_method(command), path)


def _method(command: str) -> str:
    named = re.search(r" -X ([A-Z]+)", command)
    if named:
        return named[1]
    return "POST" if re.search(r" (-d|--data-binary) ", command) else "GET"


def known_route(method: str, path: str) -> tuple[str, str]:
    """The route of the table that takes this; raises AssertionError."""
    for route in TABLE:
        taken = re.sub(r"\{\w+\}", "[^/]+", re.sub(r"\{\w+:path\}", ".+", route.path))
        if route.method == method and re.fullmatch(taken, path):
            return route.method, route.path
    raise AssertionError(f"no route takes {method} {path}")

"""A RabbitMQ installation without the plugins that a node does not use.

At its start a node loads every module of every plugin in its folder, enabled or not; that is more
than half of the time it takes (3.10 on two cores: 9 s with all of them, 4 s without). So a private
node is given a folder of its own, with links to what it needs. The scripts allow for that: they
derive the folder from ``RABBITMQ_SCRIPTS_DIR``.
"""

import re
from collections.abc import Iterable
from pathlib import Path

_APPLICATIONS = re.compile(r"\{\s*applications\s*,\s*\[([^\]]*)\]")
_NAME = re.compile(r"\w+")


def scripts_directory(server: Path, plugins: Iterable[str], directory: Path) -> Path | None:
    """The scripts' folder of a slim installation in ``directory``, made if need be.

    ``server`` is the script rabbitmq-server. None where its plugins are not beside it, or are not
    folders: then only the whole installation will do.
    """
    home = server.resolve().parent.parent
    available = {folder.name.rpartition("-")[0]: folder for folder in home.glob("plugins/*-*")}
    needed = closure(["rabbit", *plugins], available)
    if "rabbit" not in needed:
        return None
    folder = directory / "plugins"
    folder.mkdir(parents=True, exist_ok=True)
    for name in needed:
        _link(folder / available[name].name, available[name])
    _link(directory / "sbin", home / "sbin")
    return directory / "sbin"


def closure(names: Iterable[str], available: dict[str, Path]) -> set[str]:
    """``names`` and all that they depend on; what is not ``available`` is Erlang's own."""
    found: set[str] = set()
    wanted = list(names)
    while wanted:
        name = wanted.pop()
        if name in available and name not in found and _resource(available, name).exists():
            found.add(name)
            wanted += dependencies(_resource(available, name).read_text())
    return found


def dependencies(resource: str) -> list[str]:
    """The applications that an application's resource file (Erlang's app(4)) names."""
    match = _APPLICATIONS.search(resource)
    return _NAME.findall(match[1]) if match else []


def _resource(available: dict[str, Path], name: str) -> Path:
    return available[name] / "ebin" / f"{name}.app"


def _link(link: Path, target: Path) -> None:
    if not link.is_symlink():
        link.symlink_to(target)

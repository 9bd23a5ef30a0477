"""Prints what a component's image installs besides Fogbell itself: ``needs.py intake``.

Its own dependencies and the core's, from their pyproject.toml, with every extra: an image has all
that its component can do. `make lock` pins them, at the very versions that development and CI use.
"""

import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent


def needs(component: str) -> list[str]:
    """Requirements of ``component`` and the core, without Fogbell's own packages."""
    found: set[str] = set()
    for name in ("core", component):
        project = tomllib.loads((ROOT / "components" / name / "pyproject.toml").read_text())
        found.update(project["project"]["dependencies"])
        for extra in project["project"].get("optional-dependencies", {}).values():
            found.update(extra)
    return sorted(need for need in found if not need.startswith("fogbell"))


if __name__ == "__main__":
    sys.stdout.write("\n".join(needs(sys.argv[1])) + "\n")

"""The tree as it stood before the last change of what is installed: upgrades begin there."""

import os
from pathlib import Path

from tests.cluster.harness.places import REPOSITORY
from tests.support.commands import ToolError, run

INSTALLED = ("charts", "components", "requirements/images", "Dockerfile")
EARLIER = "earlier"
"""The tag of its images."""
VARIABLE = "FOGBELL_UPGRADE_FROM"
"""Another commit to begin at."""


def unpack_earlier(folder: Path) -> Path:
    """Unpack it into ``folder``, and return that. Raises `ToolError` where git has no such."""
    before = os.environ.get(VARIABLE) or _before_last_change()
    try:
        _git("cat-file", "-e", f"{before}^{{commit}}")
    except ToolError as error:
        raise ToolError(
            f"an upgrade begins at the commit {before}, which this clone does not have:"
            f" git fetch --unshallow, or name another in {VARIABLE}"
        ) from error
    archive = folder / "earlier.tar"
    _git("archive", f"--output={archive}", before, *INSTALLED, ".dockerignore")
    run("tar", "--extract", f"--file={archive}", f"--directory={folder}")
    archive.unlink()
    return folder


def _before_last_change() -> str:
    last = _git("rev-list", "--max-count=1", "HEAD", "--", *INSTALLED)
    return f"{last}~1"


def _git(*arguments: str | Path) -> str:
    # The clone may be another user's, as where root tests what somebody has checked out.
    trusted = f"safe.directory={REPOSITORY}"
    return run("git", "-c", trusted, "-C", REPOSITORY, *arguments).strip()

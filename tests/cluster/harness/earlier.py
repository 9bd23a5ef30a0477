"""The tree as it stood before the last change of what is installed: upgrades begin there."""

from pathlib import Path

from tests.cluster.harness.places import REPOSITORY
from tests.cluster.harness.running import HarnessError, run

INSTALLED = ("charts", "components", "requirements/images", "Dockerfile")


def unpack_earlier(folder: Path) -> Path:
    """Unpack it into ``folder``, and return that. Raises `HarnessError` where git has no such."""
    last = _git("rev-list", "--max-count=1", "HEAD", "--", *INSTALLED)
    before = f"{last}~1"
    try:
        _git("cat-file", "-e", before)
    except HarnessError as error:
        raise HarnessError(
            "an upgrade begins at the commit before the last one, and this clone has but one:"
            " git fetch --unshallow"
        ) from error
    archive = folder / "earlier.tar"
    _git("archive", f"--output={archive}", before, *INSTALLED, ".dockerignore")
    run("tar", "--extract", f"--file={archive}", f"--directory={folder}")
    archive.unlink()
    return folder


def _git(*arguments: str | Path) -> str:
    return run("git", "-C", REPOSITORY, *arguments).strip()

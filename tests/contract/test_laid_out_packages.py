"""Debian's packages are laid out whole and once, or not at all."""

from pathlib import Path

import pytest

from fogbell_local.servers import ServerError, cache, laid_out


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def test_a_package_is_laid_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    root = laid_out("libfaketime")
    assert list(root.glob("usr/lib/*/faketime/libfaketime.so.1"))
    monkeypatch.setenv("PATH", "")  # no apt-get: it is not fetched again
    assert laid_out("libfaketime") == root
    assert list(cache().iterdir()) == [root]


def test_a_package_that_cannot_be_had_leaves_nothing() -> None:
    with pytest.raises(ServerError, match=r"no-such-package"):
        laid_out("libfaketime", "fogbell-no-such-package")
    assert list(cache().iterdir()) == []

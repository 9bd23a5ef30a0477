"""Debian's packages are laid out whole and once, or not at all; a lock is waited for."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fogbell_local.cache import cache
from fogbell_local.servers import ServerError, laid_out, packages

FETCH = 'echo "$*" >> "$XDG_CACHE_HOME/asked"; touch "$3.deb"'
EXTRACT = 'mkdir -p "$3/usr/bin"; touch "$3/usr/bin/bell"'


@pytest.fixture(autouse=True)
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of an apt-get and a dpkg that do as they should; the cache is the test's own."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    write(folder / "apt-get", FETCH)
    write(folder / "dpkg", EXTRACT)
    return folder


def write(program: Path, script: str) -> None:
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


def kept() -> list[Path]:
    return list((cache() / "debian").iterdir())


def test_a_package_is_fetched_once(tmp_path: Path) -> None:
    root = laid_out("bell", "fog")
    assert (root / "usr" / "bin" / "bell").exists()
    assert laid_out("bell", "fog") == root
    assert (tmp_path / "asked").read_text() == "-qq download bell fog\n"
    assert kept() == [root]


def test_two_that_want_it_at_once_both_have_it(programs: Path) -> None:
    # Each has fetched it before either lays it out; a third of a minute is enough for that.
    meet = 'for try in $(seq 200); do [ $(wc -l < "$XDG_CACHE_HOME/asked") = 2 ] && exit; sleep 0.1'
    write(programs / "apt-get", f"{FETCH}; {meet}; done; exit 1")
    with ThreadPoolExecutor(2) as pool:
        roots = set(pool.map(laid_out, ["bell", "bell"]))
    assert [*roots] == kept()


@pytest.mark.parametrize(
    ("program", "script"),
    [
        ("dpkg", f'{EXTRACT}; echo "no space left" >&2; exit 2'),
        ("apt-get", 'touch "$3.deb"; echo "no space left" >&2; exit 100'),
    ],
)
def test_what_cannot_be_had_whole_leaves_nothing(programs: Path, program: str, script: str) -> None:
    write(programs / program, script)
    with pytest.raises(ServerError, match="no space left"):
        laid_out("bell")
    assert kept() == []


def test_who_holds_the_lock_is_waited_for(
    programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages, "LOCK_POLL", 0.01)
    locked = 'echo "E: Could not get lock /var/lib/dpkg/lock-frontend" >&2; exit 100'
    free = '[ $(wc -l < "$XDG_CACHE_HOME/asked") = 3 ]'
    write(programs / "apt-get", f"{FETCH}; {free} || {{ {locked}; }}")
    laid_out("bell")
    assert len((tmp_path / "asked").read_text().splitlines()) == 3


def test_a_lock_that_is_never_let_go_is_told_of(
    programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages, "LOCK_POLL", 0.01)
    monkeypatch.setattr(packages, "LOCK_SECONDS", 0.1)
    write(programs / "apt-get", 'echo "E: Could not get lock" >&2; exit 100')
    with pytest.raises(ServerError, match="Could not get lock"):
        laid_out("bell")

"""k8s/dev/reload.py: what runs a component under Tilt, and runs it anew after a change."""

import contextlib
import runpy
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

FILE = Path(__file__).parents[2] / "k8s" / "dev" / "reload.py"
copy_modules: Callable[[Path, Path], None] = runpy.run_path(str(FILE))["copy_modules"]

COMPONENT = """
import os, signal, sys
from fogbell_x import WORD
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
print(WORD, flush=True)
signal.pause()
"""


@pytest.fixture
def live(tmp_path: Path) -> Path:
    return package(tmp_path / "live", "one").parent


def package(folder: Path, word: str) -> Path:
    """A package of Fogbell's with one module, which says ``word``."""
    made = folder / "fogbell_x"
    made.mkdir(parents=True, exist_ok=True)
    (made / "__init__.py").write_text(f"WORD = {word!r}\n")
    return made


@contextlib.contextmanager
def serving(live: Path, program: str) -> Iterator[subprocess.Popen[str]]:
    """The program under reload.py, given as the Tiltfile gives it: as text."""
    text = FILE.read_text().replace('"/tmp/live"', repr(str(live)))
    command = [sys.executable, "-c", text, sys.executable, "-B", "-c", program]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with process:
        try:
            yield process
        finally:
            process.terminate()


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline().strip()


def told(process: subprocess.Popen[str]) -> str:
    assert process.stderr
    return process.stderr.readline().strip()


def test_a_change_is_run_once_it_is_told_of_one(live: Path) -> None:
    with serving(live, COMPONENT) as process:
        assert line(process) == "one"
        package(live, "two")
        process.send_signal(signal.SIGHUP)
        assert line(process) == "two"


def test_a_component_that_a_change_broke_waits_for_the_next(live: Path) -> None:
    with serving(live, COMPONENT) as process:
        assert line(process) == "one"
        (live / "fogbell_x" / "__init__.py").write_text("raise SystemExit(3)\n")
        process.send_signal(signal.SIGHUP)
        assert told(process) == "reload: starts anew"
        assert told(process) == "reload: ended with status 3: waits for a change"
        package(live, "mended")
        process.send_signal(signal.SIGHUP)
        assert line(process) == "mended"


def test_the_end_is_passed_on_and_waited_for(live: Path) -> None:
    with serving(live, COMPONENT) as process:
        assert line(process) == "one"
        process.terminate()
        assert process.wait(20) == 7


def test_the_component_hears_the_signals_that_are_blocked_above_it(live: Path) -> None:
    blocked = "import signal; print(signal.pthread_sigmask(signal.SIG_BLOCK, ()), flush=True)"
    with serving(live, blocked) as process:
        assert line(process) == "set()"


def test_what_was_edited_before_the_copy_stays(tmp_path: Path) -> None:
    package(tmp_path / "installed", "old")
    (tmp_path / "installed" / "fogbell_x" / "other.py").touch()
    (tmp_path / "installed" / "fogbell_x-1.dist-info").mkdir()
    (tmp_path / "installed" / "motor").mkdir()
    live = package(tmp_path / "live", "edited").parent
    copy_modules(tmp_path / "installed", live)
    found = sorted(str(path.relative_to(live)) for path in live.rglob("*"))
    assert found == ["fogbell_x", "fogbell_x/__init__.py", "fogbell_x/other.py"]
    assert "edited" in (live / "fogbell_x" / "__init__.py").read_text()


def test_kubernetes_leaves_its_text_as_it_is() -> None:
    """In a command, it would put a variable's value in the place of a name in brackets."""
    assert "$(" not in FILE.read_text()

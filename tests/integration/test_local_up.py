"""`fogbell up` as a user has it: a process, what it prints, and commands in another terminal."""

import argparse
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.support.waiting import eventually

from fogbell_local.sink import ledger

START_SECONDS = 100.0
STOP_SECONDS = 40.0


@dataclass
class Up:
    """A running `fogbell up`, and the files that its output goes to."""

    process: subprocess.Popen[bytes]
    directory: Path
    environ: Mapping[str, str]

    @property
    def ready_file(self) -> Path:
        return self.directory / "ready.json"

    def ready(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.ready_file.read_text())
        return document

    def printed(self) -> str:
        return (self.directory / "out").read_text()

    def said(self) -> str:
        return (self.directory / "err").read_text()

    def started(self) -> bool:
        assert self.process.poll() is None or pytest.fail(self.printed() + self.said())
        return self.ready_file.exists() and "fogbell inbox open" in self.printed()

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return fogbell(*arguments, environ=self.environ)


def fogbell(*arguments: str, environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "fogbell_local", *arguments],
        env=environ, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """The user's environment, with no Fogbell in it and a state directory of this test's own."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("FOGBELL_")}
    return kept | {"XDG_STATE_HOME": str(tmp_path / "state"), "COLUMNS": "200"}


@pytest.fixture
def up(tmp_path: Path, environ: dict[str, str]) -> Iterator[Up]:
    command = [sys.executable, "-m", "fogbell_local", "up", "--port=0", "--fast"]
    command += [f"--ready-file={tmp_path / 'ready.json'}", f"--data={tmp_path / 'data'}"]
    with (tmp_path / "out").open("wb") as out, (tmp_path / "err").open("wb") as err:
        process = subprocess.Popen(
            command, env=environ, stdout=out, stderr=err, start_new_session=True
        )
    yield Up(process, tmp_path, environ)
    process.kill()
    process.wait()


@pytest.mark.timeout(200)
async def test_everything_that_up_prints_works_and_ends_with_ctrl_c(up: Up) -> None:
    await eventually(up.started, START_SECONDS, interval=0.1)
    await _the_printed_commands_work(up)
    await _the_commands_find_it_by_themselves(up)
    await _texts_and_pushes_arrive_at_the_sink(up)
    _an_import_says_what_was_wrong(up)
    _problems_are_shown_and_end_with_1(up)
    await _a_component_that_dies_is_spoken_of(up)
    await _ctrl_c_leaves_nothing_behind(up)


async def _the_printed_commands_work(up: Up) -> None:
    put, post, read = (
        line.strip() for line in up.printed().splitlines() if line.startswith("  curl ")
    )
    assert _run_printed(put)["id"] == "ann"
    posted = _run_printed(post)
    assert posted["expected"] == 2
    assert posted["id"] in read
    await eventually(lambda: _run_printed(read)["totals"]["delivered"] == 2, interval=0.2)
    log = Path(up.ready()["sink"]["log"])
    assert [entry.to for entry in ledger.read(log)] == [("ann@example.org",)]


async def _the_commands_find_it_by_themselves(up: Up) -> None:
    sent = up.command("send", "--to", "bob@example.org", "--subject", "Hi", "--text", "Ring.")
    assert (sent.returncode, sent.stderr) == (0, "")
    watched = up.command("status", sent.stdout.strip(), "--watch")
    assert watched.stdout.splitlines()[-1] == "settled: expected=1 delivered=1"
    shown = up.command("status", sent.stdout.strip())
    assert ["email", "-", "-", "-", "1", "-", "-", "-"] in [
        line.split() for line in shown.stdout.splitlines()
    ]


async def _texts_and_pushes_arrive_at_the_sink(up: Up) -> None:
    sent = up.command("send", "--to", "+447700900123", "--to", "fcm:phone", "--text", "Ring.")
    assert (sent.returncode, sent.stderr) == (0, "")
    watched = up.command("status", sent.stdout.strip(), "--watch")
    assert watched.stdout.splitlines()[-1].startswith("settled: expected=2 delivered=2")
    text = up.command("sink", "list", "--channel", "sms").stdout.split()
    assert text[1:] == ["sms", "accepted", "gateway-a", "+447700900123", '"Ring."']
    push = up.command("sink", "list", "--last", "9", "--channel", "push", "--json")
    assert json.loads(push.stdout)["to"] == ["phone"]


def _an_import_says_what_was_wrong(up: Up) -> None:
    file = up.directory / "people.csv"
    file.write_text("id,email\ncarl,carl@example.org\ndora,nowhere\n")
    imported = up.command("recipients", "import", str(file))
    assert imported.returncode == 1
    lines = imported.stdout.splitlines()
    assert lines[0].startswith("line 3: #/addresses/email")
    assert lines[-1] == "imported 1, rejected 1"
    same = ("send", "--recipient", "carl", "--subject", "S", "--text", "T", "--json")
    first, second = (up.command(*same, "--idempotency-key", "once") for _ in range(2))
    assert json.loads(first.stdout)["id"] == json.loads(second.stdout)["id"]


def _problems_are_shown_and_end_with_1(up: Up) -> None:
    unknown = up.command("send", "--recipient", "nobody", "--subject", "S", "--text", "T")
    assert unknown.returncode == 1
    assert "#/audience/recipients/0" in unknown.stderr
    wrong_key = up.command("send", "--to", "a@b.test", "--text", "T", "--api-key", "fbk_wrong")
    assert wrong_key.returncode == 1
    assert "(401)" in wrong_key.stderr


async def _a_component_that_dies_is_spoken_of(up: Up) -> None:
    (pid,) = up.ready()["pids"]["worker"]
    os.kill(pid, signal.SIGKILL)
    await eventually(lambda: f"worker (pid {pid}) has ended with signal 9" in up.said())
    assert up.process.poll() is None


async def _ctrl_c_leaves_nothing_behind(up: Up) -> None:
    ready = up.ready()
    assert up.ready_file.stat().st_mode & 0o777 == 0o600
    assert set(ready["pids"]) == {"intake", "worker", "retry", "sink", "mongodb", "rabbitmq"}
    up.process.send_signal(signal.SIGINT)
    await eventually(lambda: up.process.poll() is not None, STOP_SECONDS, interval=0.1)
    assert (up.process.returncode, up.printed().splitlines()[-1]) == (0, "Stopped.")
    pids = [pid for named in ready["pids"].values() for pid in named]
    assert [pid for pid in pids if _exists(pid)] == []
    assert not up.ready_file.exists()
    assert "fogbell up" in up.command("sink", "list").stderr
    assert "Did you mean" not in "".join(
        log.read_text() for log in (up.directory / "data" / "logs").glob("*.log")
    )
    gone = up.command("status", "00000000-0000-0000-0000-000000000000")
    assert (gone.returncode, "fogbell up" in gone.stderr) == (1, True)


def _exists(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def _run_printed(command: str) -> dict[str, Any]:
    """Run a printed command in a shell, as who copies it does; its answer."""
    if shutil.which("curl") is None:
        return _as_request(shlex.split(command))
    run = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
    document: dict[str, Any] = json.loads(run.stdout)
    return document


def _as_request(words: list[str]) -> dict[str, Any]:
    """What curl would do, for machines without it."""
    curl = argparse.ArgumentParser("curl")
    curl.add_argument("-sS", action="store_true")
    curl.add_argument("-X", dest="method")
    curl.add_argument("-H", dest="headers", action="append")
    curl.add_argument("-d", dest="body")
    curl.add_argument("url")
    asked = curl.parse_args(words[1:])
    method = asked.method or ("POST" if asked.body else "GET")
    headers = dict(header.split(": ", 1) for header in asked.headers)
    answer = httpx2.request(method, asked.url, headers=headers, content=asked.body, trust_env=False)
    assert answer.is_success, answer.text
    document: dict[str, Any] = answer.json()
    return document


def test_a_taken_port_ends_it_with_what_to_do(tmp_path: Path, environ: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        run = fogbell("up", f"--port={port}", f"--data={tmp_path / 'data'}", environ=environ)
    assert run.returncode == 1
    assert f"port {port} of 127.0.0.1 cannot be used" in run.stderr
    assert "--port 0" in run.stderr


def test_wrong_settings_end_it_with_the_variable(tmp_path: Path, environ: dict[str, str]) -> None:
    environ["FOGBELL_CLAIM_BATCH"] = "many"
    run = fogbell("up", "--port=0", f"--data={tmp_path / 'data'}", environ=environ)
    assert run.returncode == 1
    assert "FOGBELL_CLAIM_BATCH" in run.stderr


def test_a_command_that_finds_nobody_says_how_to_start_one(environ: dict[str, str]) -> None:
    address = ("--url", "http://127.0.0.1:9", "--api-key", "fbk_" + "k" * 40)
    run = fogbell("send", "--to", "a@b.test", "--text", "T", *address, environ=environ)
    assert run.returncode == 1
    assert "nothing answers at http://127.0.0.1:9" in run.stderr
    assert "fogbell up" in run.stderr

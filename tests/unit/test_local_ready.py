"""The ready file: whole or not at all, readable by its owner, removed by its writer alone."""

import json
from pathlib import Path

import pytest

from fogbell_local import ready
from fogbell_local.ready import Ready


def example(api_key: str = "fbk_" + "k" * 40) -> Ready:
    return {
        "intake": "http://127.0.0.1:1",
        "api_key": api_key,
        "mongodb": "mongodb://127.0.0.1:2",
        "rabbitmq": "amqp://127.0.0.1:3",
        "sink": {
            "smtp": "127.0.0.1:4",
            "webhook": "http://127.0.0.1:5",
            "sms": ["http://127.0.0.1:7/gateway-a"],
            "fcm": "http://127.0.0.1:7/fcm",
            "log": "/l",
        },
        "metrics": {"intake": "http://127.0.0.1:6/metrics"},
        "pids": {"worker": [7, 8]},
    }


def test_only_its_owner_may_read_the_key(tmp_path: Path) -> None:
    file = tmp_path / "new" / "up.json"
    ready.write(file, example())
    assert file.stat().st_mode & 0o777 == 0o600
    assert json.loads(file.read_text()) == example()


def test_a_file_that_replaces_another_is_never_half_there(tmp_path: Path) -> None:
    file = tmp_path / "up.json"
    ready.write(file, example())
    with file.open() as earlier:
        ready.write(file, example("fbk_" + "z" * 40))
        assert json.load(earlier) == example()
    assert ready.read(file) == example("fbk_" + "z" * 40)
    assert [path.name for path in tmp_path.iterdir()] == ["up.json"]


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"intake": "x"}'])
def test_what_is_no_ready_file_is_none(tmp_path: Path, content: str) -> None:
    file = tmp_path / "up.json"
    file.write_text(content)
    assert ready.read(file) is None
    assert ready.read(tmp_path / "absent") is None


def test_who_leaves_removes_its_own_file_and_nobody_elses(tmp_path: Path) -> None:
    file, own, other = tmp_path / "up.json", example(), example("fbk_" + "o" * 40)
    ready.write(file, other)
    ready.remove(file, own)
    assert ready.read(file) == other
    ready.remove(file, other)
    ready.remove(file, other)
    assert not file.exists()


def test_the_well_known_file_is_state_of_the_user() -> None:
    assert ready.well_known_file({"XDG_STATE_HOME": "/s", "HOME": "/h"}) == Path(
        "/s/fogbell/up.json"
    )
    assert ready.well_known_file({"HOME": "/h"}) == Path("/h/.local/state/fogbell/up.json")

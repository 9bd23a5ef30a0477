"""What downloads much is tried again; whoever cannot be helped is told in the end."""

import pytest
from tests.support.commands import ATTEMPTS, ToolError, persistently, run


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    return slept


def test_what_breaks_off_is_tried_again(pauses: list[float]) -> None:
    said = iter(["false", "true"])
    assert persistently(lambda: run(next(said))) == ""
    assert len(pauses) == 1


def test_what_goes_on_failing_fails_with_what_it_said_last(pauses: list[float]) -> None:
    numbers = iter(range(ATTEMPTS))
    with pytest.raises(ToolError, match=f"ended with 1:\n{ATTEMPTS - 1}$"):
        persistently(lambda: run("sh", "-c", f"echo {next(numbers)}; exit 1"))
    assert len(pauses) == ATTEMPTS - 1


def test_what_is_no_matter_of_a_command_is_raised_at_once(pauses: list[float]) -> None:
    with pytest.raises(ZeroDivisionError):
        persistently(lambda: 1 // 0)
    assert pauses == []


def test_a_program_that_is_not_there_is_not_waited_for(pauses: list[float]) -> None:
    with pytest.raises(ToolError, match="'no-such-program' cannot be started"):
        persistently(lambda: run("no-such-program"))
    assert pauses == []

"""The client commands: what they ask for, and how they show what comes back."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from rich.console import Console
from tests.unit.test_local_ready import example
from typer.core import TyperGroup
from typer.main import get_command
from typer.testing import CliRunner

from fogbell_client.documents import ImportReport, Notification
from fogbell_intake.records import CsvRecords, LineSplitter
from fogbell_local import ready
from fogbell_local.__main__ import app
from fogbell_local.client import progress, recipients, send, tail
from fogbell_local.client.connection import Connection, find
from fogbell_local.client.printing import print_table
from fogbell_local.client.problems import ClientError
from fogbell_local.demo import audience
from fogbell_local.demo.story import delivered_share
from fogbell_local.demo.view import Snapshot, table


def document(**changes: Any) -> dict[str, Any]:
    base = {
        "id": "0193",
        "lane": "bulk",
        "status": "sending",
        "expected": 4,
        "totals": {"sending": 1, "delivered": 3},
        "by_channel": {"email": {"delivered": 3}, "webhook": {"sending": 1}},
        "as_of": None,
    }
    return base | changes


def printed(renderable: Any, width: int = 100) -> str:
    console = Console(width=width)
    with console.capture() as capture:
        console.print(renderable)
    return capture.get()


def test_a_key_is_never_shown_to_an_address_it_was_not_given_for(tmp_path: Path) -> None:
    environ = {"XDG_STATE_HOME": str(tmp_path)}
    ready.write(ready.well_known_file(environ), example())
    with pytest.raises(ClientError, match="needs a key"):
        find("http://elsewhere", None, environ)
    assert find(None, None, environ) == Connection("http://127.0.0.1:1", example()["api_key"])
    assert find(None, "fbk_mine", environ).api_key == "fbk_mine"
    assert find("http://there/", "fbk_mine", environ) == Connection("http://there", "fbk_mine")


def test_without_any_address_the_error_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ClientError, match="fogbell up"):
        find(None, None, {"XDG_STATE_HOME": str(tmp_path)})


def test_a_post_says_only_what_was_given() -> None:
    assert send.audience(["a@b.test"], [], []) == {"addresses": [{"email": "a@b.test"}]}
    assert send.audience([], ["ann"], ["all"]) == {"recipients": ["ann"], "groups": ["all"]}
    assert send.said(["email"], None, "S", "T", None) == {
        "content": {"email": {"subject": "S", "text": "T"}}
    }
    assert send.said(["email"], "welcome", None, None, None) == {"template": "welcome"}


def test_an_address_tells_its_channel() -> None:
    assert send.address("+447700900123") == {"sms": "+447700900123"}
    assert send.address("fcm:t:1") == {"push": [{"provider": "fcm", "token": "t:1"}]}
    assert send.channels_of(["+447700900123", "fcm:t", "+447700900124"]) == ["sms", "push"]
    assert send.channels_of(["a@b.test"]) == send.channels_of([]) == ["email"]


@pytest.mark.parametrize("word", ["ann", "0699123456", "00447700900123", "apns:token", ""])
def test_an_address_of_no_channel_is_told_what_is_one(word: str) -> None:
    with pytest.raises(ClientError, match=r"an e-mail address, a number such as \+44.*fcm:TOKEN"):
        send.address(word)


def test_addresses_of_several_channels_are_one_persons() -> None:
    assert send.audience(["a@b.test", "+1", "c@b.test"], [], []) == {
        "addresses": [{"email": "a@b.test", "sms": "+1"}, {"email": "c@b.test"}]
    }


def test_every_channel_gets_its_content_from_the_same_words() -> None:
    channels = ["inbox", "webhook", "sms", "push", "apprise"]
    content = send.said(channels, None, "S", "T", None)["content"]
    assert content == {
        "inbox": {"title": "S", "body": "T"},
        "webhook": {"type": "message", "data": {"subject": "S", "text": "T"}},
        "sms": {"text": "T"},
        "push": {"title": "S", "body": "T"},
        "apprise": {"title": "S", "body": "T"},
    }
    assert send.part("inbox", None, "T", None) == {"title": "T"}
    assert send.part("apprise", "S", None, None) == {"body": "S"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--subject", "S"], "to whom?"),
        (["--to", "a@b.test"], "say what?"),
        (["--to", "a@b.test", "--template", "t", "--text", "T"], "not both"),
        (["--to", "a@b.test", "--text", "T", "--channel", "fax"], "no channel 'fax'"),
        (["--to", "a@b.test", "--text", "T", "--data", "{"], "--data is not JSON"),
        (["--to", "a@b.test", "--text", "T", "--data", "[]"], "expected an object"),
    ],
)
def test_what_cannot_be_posted_is_said_before_anything_is_asked(
    arguments: list[str], words: str
) -> None:
    result = CliRunner().invoke(app, ["send", *arguments])
    assert result.exit_code == 1
    assert words in result.stderr


def test_progress_on_one_line_leaves_out_what_is_zero() -> None:
    assert progress.line(document()) == "sending: expected=4 sending=1 delivered=3"
    expanding = document(status="expanding", expected=None, totals={})
    assert progress.line(expanding) == "expanding: expected=?"


def test_progress_as_a_table_sums_several_channels() -> None:
    shown = printed(progress.table(document(as_of="2026-01-01T00:00:00.000Z")))
    rows = [line.split() for line in shown.splitlines()]
    assert ["email", "-", "-", "-", "3", "-", "-", "-"] in rows
    assert ["all", "-", "1", "-", "3", "-", "-", "-"] in rows
    assert "as of 2026-01-01" in shown
    assert "cancelled" in printed(progress.table(document()), width=80)
    single = printed(progress.table(document(by_channel={"email": {"delivered": 3}})))
    assert "all" not in single


def test_watching_ends_when_nothing_can_change_any_more() -> None:
    assert not progress.settled(document())
    assert progress.settled(document(status="settled", totals={"delivered": 4}))
    assert not progress.settled(document(status="cancelled", totals={"sending": 1}))
    assert progress.settled(document(status="cancelled", totals={"cancelled": 4}))


def test_an_import_names_each_bad_line_and_the_sum() -> None:
    report: ImportReport = {
        "imported": 2,
        "rejected": 3,
        "errors": [{"line": 7, "detail": "no id"}],
        "errors_truncated": True,
    }
    assert list(recipients.report_lines(report)) == [
        "line 7: no id",
        "... and 2 more",
        "imported 2, rejected 3",
    ]


def test_the_extension_says_what_a_file_holds() -> None:
    assert recipients.media_type(Path("people.CSV")) == "text/csv"
    assert recipients.media_type(Path("people.ndjson")) == "application/x-ndjson"
    with pytest.raises(ClientError, match="ends in"):
        recipients.media_type(Path("people.xlsx"))


def test_the_demos_recipients_can_be_imported_as_they_are_and_exist_nowhere() -> None:
    text = (Path(audience.__file__).parent / "recipients.csv").read_bytes()
    records = CsvRecords()
    people = [p for line in LineSplitter().feed(text) for p in records.feed(line)]
    assert len(people) == len({p.id for p in people if not hasattr(p, "detail")}) == 1000
    for row in text.decode().splitlines()[1:]:
        _, email, _, url, *_ = row.split(",")
        assert email.endswith((".example", ".test"))
        assert url.startswith(("https://hooks.example.test/", "https://flaky.example.test/"))


def test_the_demos_webhooks_lead_to_the_sink_alone() -> None:
    content = audience.read("http://127.0.0.1:4321")
    assert b"example.test/" not in content
    assert content.count(b"http://127.0.0.1:4321/unavailable/") == 50
    assert content.count(b"http://127.0.0.1:4321/") == 1000
    assert len(audience.people(content)) == 1000


def test_a_worker_is_killed_by_what_is_delivered_of_what_is_known() -> None:
    assert delivered_share({}) == 0
    assert delivered_share({"pending": 3, "delivered": 1}) == 0.25


def test_the_demos_table_shows_both_books() -> None:
    shown = printed(table(Snapshot([document()], [])))
    assert "webhook" in shown
    assert "nothing yet" in shown


def test_help_names_every_command() -> None:
    result = CliRunner().invoke(app, ["--help"])
    commands = (
        "up demo send status tail cancel replay recipients templates suppressions keys endpoints"
        " inbox sink servers"
    )
    for command in commands.split():
        assert command in result.stdout


LOCAL = {"up", "demo", "servers"}
"""What starts something here, and asks no Fogbell."""


def leaves(command: Any, *path: str) -> Iterator[tuple[str, Any]]:
    """Every command beneath ``command``, by its words."""
    if not isinstance(command, TyperGroup):
        yield " ".join(path), command
        return
    for name, part in command.commands.items():
        yield from leaves(part, *path, name)


def test_every_command_that_answers_something_can_answer_json() -> None:
    without = [
        words
        for words, command in leaves(get_command(app))
        if words.split()[0] not in LOCAL
        and not any("--json" in parameter.opts for parameter in command.params)
    ]
    assert without == []


@pytest.mark.parametrize(
    ("shell", "variables"),
    [
        ("bash", {"COMP_WORDS": "fogbell templates p", "COMP_CWORD": "2"}),
        ("zsh", {"_TYPER_COMPLETE_ARGS": "fogbell templates p"}),
        (
            "fish",
            {
                "_TYPER_COMPLETE_ARGS": "fogbell templates p",
                "_TYPER_COMPLETE_FISH_ACTION": "get-args",
            },
        ),
    ],
)
def test_a_shell_completes_commands(shell: str, variables: dict[str, str]) -> None:
    asked = {"_FOGBELL_COMPLETE": f"complete_{shell}", **variables}
    result = CliRunner().invoke(app, [], env=asked, prog_name="fogbell")
    assert {"push", "pull"} <= set(re.findall(r"\w+", result.stdout))
    assert "suppressions" not in result.stdout


def test_json_is_what_data_holds() -> None:
    assert send.parsed_data(json.dumps({"a": 1})) == {"a": 1}
    assert send.parsed_data(None) is None


def test_a_notification_too_large_to_follow_is_said_to_be_so() -> None:
    large = cast("Notification", document(totals={"pending": tail.LARGEST + 1}))
    with pytest.raises(ClientError, match="fogbell status 0193 --watch"):
        tail.check_size(large)
    tail.check_size(cast("Notification", document()))


def test_an_address_or_key_that_cannot_be_is_said_before_anything_is_asked() -> None:
    for url, key, words in (("nowhere", "fbk_k", "http or https"), ("http://x", "k\n", "secret")):
        result = CliRunner().invoke(app, ["keys", "list", "--url", url, "--api-key", key])
        assert result.exit_code == 1
        assert words in result.stderr


def test_what_comes_from_outside_is_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["name", "scopes"], [{"name": "[red]x", "scopes": ["a", "b"]}, {"name": None}])
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["[red]x", "a", "b"] in rows
    assert ["-", "-"] in rows

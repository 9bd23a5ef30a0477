"""Templates as folders: what is written is what is read, and slips name their file."""

import json
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from fogbell_client.documents import Template
from fogbell_intake.routes.templates import TemplateBody
from fogbell_local.__main__ import app
from fogbell_local.client import template_folder as folder
from fogbell_local.client.problems import ClientError

ORDER: Template = {
    "name": "order",
    "version": 3,
    "default_locale": "en",
    "topic": None,
    "sample_data": {"order": "A-1"},
    "locales": {
        "en": {
            "email": {"subject": "Order", "text": "Hi\n", "headers": {"List-Id": "x"}},
            "inbox": {"title": "Order", "body": "", "url": "", "data": {}},
        },
        "de-AT": {"inbox": {"title": "Bestellung", "data": {"n": [1]}}},
    },
}


def found(directory: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(directory)): file.read_bytes()
        for file in directory.rglob("*")
        if file.is_file()
    }


def as_intake_reads(body: Any) -> TemplateBody:
    return TemplateBody.model_validate(body)


def posted(template: Template) -> dict[str, Any]:
    return {name: value for name, value in template.items() if name not in ("name", "version")}


def test_each_text_is_a_file_and_what_intake_fills_in_is_none(tmp_path: Path) -> None:
    folder.write(tmp_path, ORDER)
    files = found(tmp_path / "order")
    settings = json.loads(files.pop("template.json"))
    assert settings == {"default_locale": "en", "topic": None, "sample_data": {"order": "A-1"}}
    assert {name: text for name, text in files.items() if not name.endswith(".json")} == {
        "locales/en/email.subject": b"Order\n",
        "locales/en/email.text": b"Hi\n\n",
        "locales/en/inbox.title": b"Order\n",
        "locales/de-AT/inbox.title": b"Bestellung\n",
    }
    assert json.loads(files["locales/en/email.headers.json"]) == {"List-Id": "x"}
    assert len(files) == 6


def test_what_was_pulled_is_pushed_as_the_same(tmp_path: Path) -> None:
    folder.write(tmp_path, ORDER)
    assert as_intake_reads(folder.read(tmp_path / "order")) == as_intake_reads(posted(ORDER))


texts = st.text(st.characters(codec="utf-8"), min_size=1)


@given(text=texts, html=texts, data=st.dictionaries(texts, st.integers() | texts, max_size=3))
def test_every_text_survives_its_file(
    tmp_path_factory: pytest.TempPathFactory, text: str, html: str, data: dict[str, Any]
) -> None:
    directory = tmp_path_factory.mktemp("templates")
    email = {"subject": "S", "text": text, "html": html}
    content = {"en": {"email": email, "inbox": {"title": "T", "data": data}}}
    template = cast("Template", {**ORDER, "locales": content})
    folder.write(directory, template)
    assert as_intake_reads(folder.read(directory / "order")) == as_intake_reads(posted(template))


def test_pulling_takes_away_what_the_template_no_longer_says(tmp_path: Path) -> None:
    folder.write(tmp_path, ORDER)
    notes = tmp_path / "order" / "locales" / "en" / "NOTES"
    notes.write_text("ours")
    (tmp_path / "order" / "locales" / ".hidden").mkdir()
    lesser = cast("Template", {**ORDER, "locales": {"en": {"inbox": {"title": "Order"}}}})
    folder.write(tmp_path, lesser)
    kept = {"template.json", "locales/en/inbox.title", "locales/en/NOTES"}
    assert found(tmp_path / "order").keys() == kept


@pytest.mark.parametrize("name", ["../order", "a/b", "", ".hidden", "a\\b"])
def test_no_name_leads_out_of_the_directory(tmp_path: Path, name: str) -> None:
    with pytest.raises(ClientError, match="cannot be the name of a file"):
        folder.write(tmp_path, cast("Template", {**ORDER, "name": name}))
    with pytest.raises(ClientError, match="cannot be the name of a file"):
        folder.write(
            tmp_path, cast("Template", {**ORDER, "locales": {name: ORDER["locales"]["en"]}})
        )
    assert found(tmp_path) == {}


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("locales/en/email.subject", None, "expected texts such as"),
        ("locales/en/fax.text", b"x", r"fax.text: expected CHANNEL.FIELD"),
        ("locales/en/README.md", b"x", r"README.md: expected CHANNEL.FIELD"),
        ("locales/en/inbox.data.json", b"{", "inbox.data.json is not JSON"),
        ("locales/en/email.text", b"\xff", "email.text is not UTF-8"),
        ("template.json", b"[]", "template.json: expected an object"),
        ("template.json", b'{"sample": {}}', "template.json: expected an object of default_locale"),
    ],
)
def test_a_slip_names_its_file(tmp_path: Path, file: str, text: bytes | None, words: str) -> None:
    path = tmp_path / "order" / file
    path.parent.mkdir(parents=True)
    if text is not None:
        path.write_bytes(text)
    with pytest.raises(ClientError, match=words):
        folder.read(tmp_path / "order")


def test_hidden_files_are_left_alone(tmp_path: Path) -> None:
    folder.write(tmp_path, ORDER)
    before = folder.read(tmp_path / "order")
    (tmp_path / "order" / "locales" / "en" / ".email.text.swp").write_bytes(b"\xff")
    assert folder.read(tmp_path / "order") == before


def test_a_slip_is_told_before_anything_is_pushed(tmp_path: Path) -> None:
    for arguments, words in (
        ([str(tmp_path / "nowhere")], "no such directory"),
        ([str(tmp_path)], "has no templates"),
    ):
        result = CliRunner().invoke(app, ["templates", "push", *arguments])
        assert result.exit_code == 1
        assert words in result.stderr
    folder.write(tmp_path, ORDER)
    result = CliRunner().invoke(app, ["templates", "push", str(tmp_path), "other"])
    assert "has no template 'other'; it has order" in result.stderr

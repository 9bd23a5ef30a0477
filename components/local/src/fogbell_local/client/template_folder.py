"""A template as a folder of small files, so that texts are edited and reviewed as what they are.

    order-shipped/                     the template's name
      template.json                    default_locale, topic, sample_data; each may be left out
      locales/en/email.subject         CHANNEL.FIELD: one text of one channel
      locales/en/email.text
      locales/en/email.html
      locales/en/inbox.title
      locales/en/inbox.data.json       CHANNEL.FIELD.json: a field that is an object

A file's last line break does not count, since editors add one. Hidden files are left alone.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast, get_args

from fogbell_client.bodies import Channel, TemplateBody
from fogbell_client.documents import Template
from fogbell_local.client.problems import ClientError

SETTINGS = "template.json"
LOCALES = "locales"

_CHANNELS = get_args(Channel)
_FILE = re.compile(rf"({'|'.join(_CHANNELS)})\.([a-z_]+)(\.json)?")
_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_SETTINGS = ("default_locale", "topic", "sample_data")
_DEFAULTS = {"headers": {}, "data": {}, "body": "", "url": ""}
"""What intake fills in: not worth a file."""


def folders(directory: Path) -> list[Path]:
    """The templates in ``directory``: its folders with a `SETTINGS` file or a `LOCALES` folder."""
    return sorted(
        folder
        for folder in directory.iterdir()
        if (folder / SETTINGS).is_file() or (folder / LOCALES).is_dir()
    )


def read(folder: Path) -> TemplateBody:
    """The template in ``folder``, ready to be put. Raises ClientError, OSError."""
    settings = _settings(folder / SETTINGS)
    locales: dict[str, dict[str, dict[str, Any]]] = {}
    for file in files(folder):
        channel, name = _field(file)
        content = locales.setdefault(file.parent.name, {}).setdefault(channel, {})
        content[name] = _json(file) if file.suffix == ".json" else _text(file)
    if not locales:
        raise ClientError(f"{folder}: expected texts such as {LOCALES}/en/email.subject")
    return cast("TemplateBody", settings | {"locales": locales})


def files(folder: Path) -> Iterator[Path]:
    """The files that make up the template's texts, in the order of their names."""
    for file in sorted((folder / LOCALES).glob("*/*")):
        if file.is_file() and not file.name.startswith("."):
            yield file


def write(directory: Path, template: Template) -> None:
    """Make ``template``'s folder say exactly what it says. Raises ClientError, OSError."""
    folder = directory / _safe(template["name"])
    wanted = {folder / path: text for path, text in texts(template).items()}
    for file in files(folder):
        # Only what is a template's own: other files in there are their owner's.
        if file not in wanted and _FILE.fullmatch(file.name):
            file.unlink()
    for file, text in wanted.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode() + b"\n")


def texts(template: Template) -> dict[str, str]:
    """Path within the folder, and what stands there, of everything that ``template`` says."""
    settings = {name: cast("Mapping[str, Any]", template)[name] for name in _SETTINGS}
    found = {SETTINGS: _dumped(settings)}
    for locale, content in template["locales"].items():
        for channel, part in content.items():
            for name, value in part.items():
                if _DEFAULTS.get(name) == value:
                    continue
                path = f"{LOCALES}/{_safe(locale)}/{_safe(channel)}.{_safe(name)}"
                if isinstance(value, str):
                    found[path] = value
                else:
                    found[f"{path}.json"] = _dumped(value)
    return found


def _dumped(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _safe(name: str) -> str:
    """A name that intake gave, as that of a file. Raises ClientError."""
    if not _SAFE.fullmatch(name):
        raise ClientError(f"{name!r} cannot be the name of a file")
    return name


def _field(file: Path) -> tuple[str, str]:
    match = _FILE.fullmatch(file.name)
    if match is None:
        channels = ", ".join(_CHANNELS)
        raise ClientError(f"{file}: expected CHANNEL.FIELD, with a channel of {channels}")
    return match[1], match[2]


def _settings(file: Path) -> dict[str, Any]:
    value = _json(file) if file.exists() else {}
    if not isinstance(value, dict) or not value.keys() <= set(_SETTINGS):
        raise ClientError(f"{file}: expected an object of {', '.join(_SETTINGS)}")
    return value


def _json(file: Path) -> Any:
    try:
        return json.loads(_text(file))
    except json.JSONDecodeError as error:
        raise ClientError(f"{file} is not JSON: {error}") from None


def _text(file: Path) -> str:
    try:
        return file.read_bytes().decode().removesuffix("\n")
    except UnicodeDecodeError as error:
        raise ClientError(f"{file} is not UTF-8: {error}") from None

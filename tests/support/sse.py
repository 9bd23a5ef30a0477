"""Reading server-sent events as a browser does (WHATWG HTML, "Interpreting an event stream")."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

_LINE_END = re.compile(r"\r\n|\n|\r")


@dataclass(frozen=True)
class Event:
    name: str
    data: str
    id: str = ""
    retry: int | None = None


def parse(text: str) -> list[Event]:
    """The events of a whole stream; comments are none."""
    return [event for block in _blocks(text) if (event := _event(block)) is not None]


async def events(chunks: AsyncIterator[str]) -> AsyncIterator[Event]:
    """The events of a stream of texts, as they come."""
    rest = ""
    async for chunk in chunks:
        *blocks, rest = re.split(r"\n\n", rest + chunk)
        for block in blocks:
            if (event := _event(_LINE_END.split(block))) is not None:
                yield event


def _blocks(text: str) -> list[list[str]]:
    blocks: list[list[str]] = [[]]
    for line in _LINE_END.split(text):
        if line:
            blocks[-1].append(line)
        else:
            blocks.append([])
    return blocks


def _event(lines: list[str]) -> Event | None:
    fields: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data" and "data" in fields:
            value = f"{fields['data']}\n{value}"
        fields[name] = value
    if "data" not in fields:
        return None
    retry = fields.get("retry")
    return Event(
        fields.get("event", "message"),
        fields["data"],
        fields.get("id", ""),
        int(retry) if retry else None,
    )

"""The thousand made-up recipients, with their webhooks led to the sink."""

import csv
from importlib import resources

from fogbell_local.sink.refusal import UNAVAILABLE_PATH

GROUP = "everyone"

_HOOKS = "https://hooks.example.test"
_FLAKY = "https://flaky.example.test"
"""One receiver that answers 503 at first; a twentieth of the people have their webhook there."""


def read(sink_url: str) -> bytes:
    """The CSV as it is imported. The file's hosts exist nowhere: the sink stands for them."""
    text = (resources.files(__package__) / "recipients.csv").read_text("utf-8")
    text = text.replace(_FLAKY, sink_url + UNAVAILABLE_PATH).replace(_HOOKS, sink_url)
    return text.encode()


def ids(content: bytes) -> list[str]:
    """The ids in the CSV, in its order."""
    return [row["id"] for row in csv.DictReader(content.decode().splitlines())]

"""The thousand made-up recipients, with their webhooks led to the sink."""

import csv
from dataclasses import dataclass
from importlib import resources

from fogbell_local.sink.refusal import UNAVAILABLE_PATH

GROUP = "everyone"
ON_CALL = "team"
"""Those who get a text and a push besides."""

_HOOKS = "https://hooks.example.test"
_FLAKY = "https://flaky.example.test"
"""One receiver that answers 503 at first; a twentieth of the people have their webhook there."""


def read(sink_url: str) -> bytes:
    """The CSV as it is imported. The file's hosts exist nowhere: the sink stands for them."""
    text = (resources.files(__package__) / "recipients.csv").read_text("utf-8")
    text = text.replace(_FLAKY, sink_url + UNAVAILABLE_PATH).replace(_HOOKS, sink_url)
    return text.encode()


@dataclass(frozen=True, slots=True)
class Person:
    """One of them: the number of their telephone, and the token of the app on it."""

    id: str
    phone: str
    groups: tuple[str, ...]

    @property
    def token(self) -> str:
        """What FCM would call the device; made up as well."""
        return f"device-{self.id}"


def people(content: bytes) -> list[Person]:
    """Everybody in the CSV, in its order."""
    rows = csv.DictReader(content.decode().splitlines())
    return [Person(row["id"], row["sms"], tuple(row["groups"].split(";"))) for row in rows]

"""Watching the retry CronJob's beats while other tests run."""

import contextlib
import json
import queue
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from tests.cluster.kube import Kube, Object

SELECTOR = "app.kubernetes.io/component=retry"


@dataclass(frozen=True, slots=True)
class Beat:
    """One Job of the CronJob: its scheduled minute since the epoch, its start, its end."""

    minute: int
    started: datetime
    ended: datetime | None
    failed: bool


@dataclass(slots=True)
class Beats:
    """Follows the Jobs from now on: the CronJob keeps only the last few of them.

    An API server ends a watch sooner or later: the harness's after two hours, others after half an
    hour at least. By then the tests have asked.
    """

    _lines: "queue.Queue[str]"
    _text: str = ""
    _seen: dict[str, Beat] = field(default_factory=dict)

    def all(self) -> list[Beat]:
        """Every beat so far, in order."""
        with contextlib.suppress(queue.Empty):
            while True:
                self._hear(self._lines.get_nowait())
        return sorted(self._seen.values(), key=lambda beat: beat.minute)

    def _hear(self, line: str) -> None:
        """kubectl prints one JSON object after the other, each over many lines."""
        self._text += line
        if line.rstrip("\n") == "}":
            self._note(json.loads(self._text))
            self._text = ""

    def _note(self, job: Object) -> None:
        status = job.get("status", {})
        conditions = {c["type"] for c in status.get("conditions", []) if c["status"] == "True"}
        name = job["metadata"]["name"]
        ended = status.get("completionTime")
        self._seen[name] = Beat(
            minute=int(name.rpartition("-")[2]),
            started=_time(job["metadata"]["creationTimestamp"]),
            ended=_time(ended) if ended else None,
            failed="Failed" in conditions,
        )


@contextlib.contextmanager
def watched_beats(kube: Kube) -> Iterator[Beats]:
    """The beats from now on, while the block runs."""
    selector = f"--selector={SELECTOR}"
    with kube.lines("get", "jobs", selector, "--watch", "--output=json") as lines:
        yield Beats(lines)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)

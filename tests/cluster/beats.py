"""Watching the retry CronJob's beats while other tests run."""

import json
import subprocess
import threading
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Self

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
    """Follows the Jobs from now on: the CronJob keeps only the last few of them."""

    kube: Kube
    _seen: dict[str, Beat] = field(default_factory=dict)
    _process: "subprocess.Popen[str] | None" = None
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        watch = ("get", "jobs", f"--selector={SELECTOR}", "--watch", "--output=json")
        self._process = self.kube.start(*watch)
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        assert self._thread is not None
        self._process.terminate()
        self._process.wait()
        self._thread.join()
        self._process.stdout.close()

    def all(self) -> list[Beat]:
        """Every beat so far, in order."""
        return sorted(dict(self._seen).values(), key=lambda beat: beat.minute)

    def _follow(self) -> None:
        """kubectl prints one JSON object after the other, each over many lines."""
        assert self._process is not None
        assert self._process.stdout is not None
        text = ""
        for line in self._process.stdout:
            text += line
            if line.rstrip("\n") == "}":
                self._note(json.loads(text))
                text = ""

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


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)

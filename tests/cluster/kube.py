"""kubectl for tests: objects in and out, and waiting for what they come to be."""

import contextlib
import json
import queue
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

POLL = 0.5
Object = dict[str, Any]


UNANSWERED = (
    "Unable to connect to the server",
    "was refused - did you specify",
    "(Timeout)",
    "(ServiceUnavailable)",
    "etcdserver: ",
    "net/http: ",
    "i/o timeout",
    "context deadline exceeded",
    "client connection lost",
)
"""What kubectl says where the API server did not get to answering."""


class RefusedError(Exception):
    """The API server said no; the message is its sentence."""


@dataclass(frozen=True, slots=True)
class Kube:
    """One namespace of a cluster, as an administrator sees it."""

    kubectl: Path
    kubeconfig: Path
    namespace: str

    def run(self, *arguments: str | Path, stdin: str | None = None) -> str:
        """What kubectl prints; raises `RefusedError`."""
        done = subprocess.run(
            self._command(*arguments),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        if done.returncode:
            raise RefusedError(done.stderr.strip())
        return done.stdout

    def _read(self, *arguments: str) -> str:
        """As `run`, again for half a minute while a busy API server does not get to answering."""
        deadline = time.monotonic() + 30
        while True:
            try:
                return self.run(*arguments, "--request-timeout=10s")
            except RefusedError as error:
                unanswered = any(words in str(error) for words in UNANSWERED)
                if not unanswered or time.monotonic() > deadline:
                    raise
            time.sleep(POLL)

    @contextlib.contextmanager
    def lines(self, *arguments: str) -> Iterator["queue.Queue[str]"]:
        """What kubectl says, line by line as it comes, while it goes on; it ends with the block."""
        process = subprocess.Popen(
            self._command(*arguments), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert process.stdout is not None
        said: queue.Queue[str] = queue.Queue()
        reader = threading.Thread(target=_pass_on, args=(process.stdout, said), daemon=True)
        reader.start()
        try:
            yield said
        finally:
            process.terminate()
            process.wait()
            reader.join()
            process.stdout.close()

    def _command(self, *arguments: str | Path) -> list[str]:
        place = (f"--kubeconfig={self.kubeconfig}", f"--namespace={self.namespace}")
        return [str(word) for word in (self.kubectl, *place, *arguments)]

    def apply(self, *objects: Object) -> None:
        """Apply ``objects`` as they are."""
        self.run("apply", "--filename=-", stdin=yaml.safe_dump_all(objects))

    def get(self, kind: str, name: str) -> Object | None:
        """One object, or None where there is none."""
        text = self._read("get", kind, name, "--ignore-not-found", "--output=json")
        found: Object | None = json.loads(text) if text.strip() else None
        return found

    def find(self, kind: str, selector: str = "") -> list[Object]:
        """All objects of ``kind`` that ``selector`` (labels) picks."""
        text = self._read("get", kind, f"--selector={selector}", "--output=json")
        items: list[Object] = json.loads(text)["items"]
        return items

    def delete(self, kind: str, *names: str, force: bool = False) -> None:
        """Delete, and return at once."""
        how = ["--grace-period=0", "--force"] if force else []
        self.run("delete", kind, *names, "--wait=false", *how)

    def logs(self, selector: str) -> str:
        """What the pods of ``selector`` have said lately: for messages of failures."""
        try:
            return self.run("logs", f"--selector={selector}", "--all-containers", "--tail=30")
        except RefusedError as error:
            return str(error)

    def pods(self, component: str) -> list[Object]:
        """The pods of one of Fogbell's components."""
        return self.find("pods", f"app.kubernetes.io/component={component}")


def _pass_on(stream: Iterable[str], said: "queue.Queue[str]") -> None:
    for line in stream:
        said.put(line)


@contextlib.contextmanager
def fresh_namespace(admin: Kube) -> Iterator[Kube]:
    """A namespace of its own, whose pods must pass PodSecurity's `restricted`."""
    kube = Kube(admin.kubectl, admin.kubeconfig, f"test-{uuid.uuid4().hex[:8]}")
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    metadata = {"name": kube.namespace, "labels": labels}
    admin.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    try:
        yield kube
    finally:
        admin.delete("namespace", kube.namespace)


def names(objects: Iterable[Object]) -> list[str]:
    """The names of ``objects``."""
    return [o["metadata"]["name"] for o in objects]


def wait_until(
    what: str,
    look: Callable[[], object],
    seconds: float,
    why: Callable[[], str] = lambda: "",
) -> Any:
    """What ``look`` returns once it is true; fails with ``what`` and ``why`` after ``seconds``."""
    deadline = time.monotonic() + seconds
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come within {seconds:.0f} s. {why()}")
        time.sleep(POLL)


def condition(found: Object | None, name: str) -> Object:
    """One condition of an object's status; {} where it has none of that name."""
    conditions: Iterable[Object] = ((found or {}).get("status") or {}).get("conditions") or []
    return next((c for c in conditions if c["type"] == name), {})

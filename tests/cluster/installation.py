"""Fogbell, installed with Helm for tests: its API, what it sends, and what its pods do."""

import contextlib
import json
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.forwarding import forwarded
from tests.cluster.harness.places import REPOSITORY
from tests.cluster.kube import Kube, Object, condition, wait_until

from fogbell_client import Fogbell
from fogbell_client.documents import Notification
from fogbell_local.sink import SinkServer
from fogbell_local.sink.ledger import Outcome

RELEASE = "fogbell"
CHART = REPOSITORY / "charts" / "fogbell"
VALUES = REPOSITORY / "tests" / "chart" / "values" / "cluster.yaml"
KEEP_CRDS = "--set=crds.install=false"
"""The Campaign resource is everybody's here, and no release's."""
OWN_CRDS = ("--set=crds.install=true", "--take-ownership")
"""Unless a test is about the release that they belong to."""


@dataclass(frozen=True, slots=True)
class Installation:
    """One release in its namespace, and the sink that its relay is.

    ``flags`` of helm's hold for each upgrade.
    """

    kube: Kube
    sink: SinkServer
    flags: tuple[str, ...] = ()

    def upgrade(self, *more: str | Path, chart: Path = CHART) -> None:
        """Install or upgrade the release; return once every pod is ready."""
        install(self.kube, self.sink, *self.flags, *more, chart=chart)

    @contextlib.contextmanager
    def without(self, component: str, kind: str = "deployment") -> Iterator[None]:
        """Take the pods of one workload away while the block runs."""
        workload = f"{kind}/{RELEASE}-{component}"
        self.kube.run("scale", workload, "--replicas=0")
        try:
            wait_until("the end of its pods", lambda: not self.kube.pods(component), 90)
            yield
        finally:
            self.kube.run("scale", workload, "--replicas=1")
        self.kube.run("rollout", "status", workload, "--timeout=120s")

    @contextlib.contextmanager
    def api(self) -> Iterator[Fogbell]:
        """The HTTP interface through a forwarded port, with the bootstrap key."""
        with (
            forwarded(self.kube, f"service/{RELEASE}-intake") as port,
            Fogbell(f"http://127.0.0.1:{port}", self.key()) as client,
        ):
            yield client

    def key(self) -> str:
        """The bootstrap API key."""
        return self.kube.run(
            "get",
            "secret",
            f"{RELEASE}-api-key",
            '--output=go-template={{index .data "api-key" | base64decode}}',
        )

    def mail_group(self, group: str) -> str:
        """Post a mail to everyone in ``group``; returns the notification's id."""
        with self.api() as api:
            return api.post(
                {
                    "audience": {"groups": [group]},
                    "channels": ["email"],
                    "content": {"email": {"subject": "The bell", "text": "It rang."}},
                }
            )["id"]

    def until_settled(self, notification: str, seconds: float = 300) -> Notification:
        """A notification once all of its deliveries are settled."""
        with self.api() as api:

            def look() -> Notification | None:
                seen = api.notification(notification)
                return seen if seen["status"] in ("settled", "cancelled") else None

            found: Notification = wait_until(
                f"the end of {notification}",
                look,
                seconds,
                lambda: str(api.notification(notification)),
            )
        return found

    def directory(self, group: str, people: int) -> list[str]:
        """Import ``people`` recipients of a ``group`` of their own; returns their addresses."""
        emails = [f"{group}-{i}@example.org" for i in range(people)]
        lines = [
            json.dumps({"id": email, "addresses": {"email": email}, "groups": [group]})
            for email in emails
        ]
        with self.api() as api:
            content = ("\n".join(lines) + "\n").encode()
            report = api.import_recipients(content, media_type="application/x-ndjson")
        assert report["imported"] == people, report
        return emails

    def mails(self, group: str) -> Counter[str]:
        """How many mails the sink has accepted for each address of ``group``."""
        found: Counter[str] = Counter()
        for entry in self.sink.entries():
            if entry.outcome is Outcome.ACCEPTED:
                found.update(to for to in entry.to if to.startswith(f"{group}-"))
        return found

    def campaign(self, name: str, group: str, **spec: object) -> None:
        """Apply a Campaign that mails everyone in ``group``."""
        self.kube.apply(campaign(name, group, **spec))

    def suspend(self, name: str, *, suspend: bool) -> None:
        """Hold a Campaign's runs back, or let them go on."""
        patch = json.dumps({"spec": {"suspend": suspend}})
        self.kube.run("patch", "campaign", name, "--type=merge", f"--patch={patch}")

    def status(self, name: str) -> Object:
        """A Campaign's status; {} where it has none yet."""
        found = self.kube.get("campaign", name) or {}
        status: Object = found.get("status") or {}
        return status

    def until_condition(self, name: str, kind: str, reason: str, seconds: float = 60) -> Object:
        """A Campaign's condition once it has ``reason``."""

        def look() -> Object | None:
            seen = condition(self.kube.get("campaign", name), kind)
            return seen if seen.get("reason") == reason else None

        found: Object = wait_until(
            f"{name}: {kind} with reason {reason}",
            look,
            seconds,
            lambda: (
                f"{self.status(name)}\n{self.kube.logs('app.kubernetes.io/component=operator')}"
            ),
        )
        return found

    def until_reached(self, group: str, people: int = 1, seconds: float = 120) -> None:
        """Wait until ``people`` of ``group`` have a mail: a run is then under way."""
        wait_until(
            f"mails for {people} people",
            lambda: len(self.mails(group)) >= people,
            seconds,
            lambda: self.kube.logs("app.kubernetes.io/component=campaign"),
        )

    def until_mails(self, group: str, people: int, each: int = 1, seconds: float = 150) -> None:
        """Wait until everyone of ``group`` has at least ``each`` mails."""

        def look() -> bool:
            mails = self.mails(group)
            return len(mails) == people and min(mails.values()) >= each

        wait_until(
            f"{each} mail(s) for each of {people} people",
            look,
            seconds,
            lambda: (
                f"{len(self.mails(group))} have some.\n"
                + self.kube.logs("app.kubernetes.io/component=campaign")
                + self.kube.logs("app.kubernetes.io/component=worker")
            ),
        )


def campaign(name: str, group: str, **spec: object) -> Object:
    """A Campaign that mails everyone in ``group`` every minute, unless ``spec`` says otherwise."""
    timing = {} if "at" in spec else {"schedule": "* * * * *"}
    return {
        "apiVersion": "fogbell.dev/v1alpha1",
        "kind": "Campaign",
        "metadata": {"name": name},
        "spec": {
            **timing,
            "audience": {"groups": [group]},
            "channels": ["email"],
            "content": {"email": {"subject": "The bell", "text": "It rang."}},
            **spec,
        },
    }


def install(
    kube: Kube,
    sink: SinkServer,
    *more: str | Path,
    chart: Path = CHART,
    program: Path | None = None,
) -> None:
    """Install or upgrade the release; return once every pod is ready."""
    relay = (
        f"--set=email.url=smtp://{sink.host}:{sink.smtp_port}",
        f"--set=networkPolicy.smtp.ports={{{sink.smtp_port}}}",
    )
    place = (RELEASE, chart, f"--values={VALUES}", *relay, "--wait", "--timeout=5m")
    helm(kube, "upgrade", "--install", *place, *more, program=program)


def helm(kube: Kube, *arguments: str | Path, program: Path | None = None) -> str:
    """What helm prints; its errors fail the test. ``program`` None: the one of `make setup`."""
    found = program or shutil.which("helm", path=f"{Path(sys.executable).parent}")
    assert found is not None, "no helm: run 'make setup'"
    done = subprocess.run(
        [
            str(found),
            f"--kubeconfig={kube.kubeconfig}",
            f"--namespace={kube.namespace}",
            *(str(word) for word in arguments),
        ],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr + kube.run("get", "pods,events")
    return done.stdout

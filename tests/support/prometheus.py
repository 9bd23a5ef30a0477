"""Real Prometheus and Alertmanager, as child processes that scrape what a test has started."""

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx2
import yaml
from monitoring.recording import Line
from monitoring.tools import prometheus
from tests.support.alertmanager import alertmanager

from fogbell_local.processes import Component
from fogbell_local.servers.ports import free_ports
from fogbell_local.servers.process import GuardedProcess

HOST = "127.0.0.1"

START_SECONDS = 30.0
ANSWER_SECONDS = 30.0
EVERY = "1s"
"""How often it scrapes and judges."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One series of an answer, at one moment."""

    labels: Mapping[str, str]
    value: float


class Targets:
    """The processes that a Prometheus of this machine scrapes, in a file; each has ``labels``."""

    def __init__(self, file: Path, labels: Mapping[str, str]) -> None:
        self._file, self._labels = file, labels
        self.replace([])

    def replace(self, components: Iterable[Component]) -> None:
        """Scrape these from now on, and no others."""
        groups = [
            {
                "targets": [f"{HOST}:{component.port}"],
                "labels": {**self._labels, "component": component.name, "pod": component.label},
            }
            for component in components
        ]
        draft = self._file.with_suffix(".draft")
        draft.write_text(json.dumps(groups))
        draft.rename(self._file)

    def scrape(self) -> dict[str, Any]:
        """The scrape configuration that reads the file whenever it changes."""
        return {"job_name": "fogbell", "file_sd_configs": [{"files": [str(self._file)]}]}


class Watch:
    """Prometheus and Alertmanager; use it in a ``with`` statement. Methods block.

    ``rules`` is a file's content, ``scrapes`` the scrape configurations; ``program`` is Debian's
    Prometheus unless another is given.
    """

    def __init__(
        self,
        directory: Path,
        rules: Mapping[str, Any],
        scrapes: Sequence[Mapping[str, Any]],
        *,
        program: Path | None = None,
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._started = time.time()
        port, self._alerts_port, gossip = free_ports(3)
        (directory / "rules.yaml").write_text(yaml.safe_dump(dict(rules)))
        (directory / "prometheus.yaml").write_text(yaml.safe_dump(self._configuration(scrapes)))
        route = {"receiver": "nobody", "group_wait": "0s", "group_interval": "1s"}
        nobody = {"route": route, "receivers": [{"name": "nobody"}]}
        (directory / "alertmanager.yaml").write_text(yaml.safe_dump(nobody))
        self._alertmanager = GuardedProcess(
            [
                str(alertmanager()),
                f"--config.file={directory / 'alertmanager.yaml'}",
                f"--storage.path={directory / 'alertmanager'}",
                f"--web.listen-address={HOST}:{self._alerts_port}",
                f"--cluster.listen-address={HOST}:{gossip}",
            ],
            directory / "alertmanager.log",
        )
        self._prometheus = GuardedProcess(
            [
                str(program or prometheus()),
                f"--config.file={directory / 'prometheus.yaml'}",
                f"--storage.tsdb.path={directory / 'data'}",
                f"--web.listen-address={HOST}:{port}",
            ],
            directory / "prometheus.log",
        )
        self._http, self._bell = _client(port), _client(self._alerts_port)
        self._prometheus.wait_until(lambda: _ready(self._http), START_SECONDS, "Prometheus")
        self._alertmanager.wait_until(lambda: _ready(self._bell), START_SECONDS, "Alertmanager")

    def query(self, expression: str) -> list[Sample]:
        """What ``expression`` is now. Raises AssertionError where Prometheus refuses it."""
        answer = self._http.get("/api/v1/query", params={"query": expression})
        document = answer.json()
        assert document["status"] == "success", f"{document.get('error')}: {expression}"
        result = document["data"]["result"]
        return [Sample(one["metric"], float(one["value"][1])) for one in result]

    def history(self, expression: str, until: float) -> list[Line]:
        """What ``expression`` has been, each second from the start to ``until``, a Unix time."""
        span = {"start": str(self._started), "end": str(until), "step": EVERY}
        answer = self._http.get("/api/v1/query_range", params={"query": expression, **span})
        result = answer.raise_for_status().json()["data"]["result"]
        return [
            Line(one["metric"], tuple((at, float(value)) for at, value in one["values"]))
            for one in result
        ]

    def values(self, label: str, series: str) -> list[str]:
        """The values of ``label`` among ``series``, a selector."""
        answer = self._http.get(f"/api/v1/label/{label}/values", params={"match[]": series})
        found: list[str] = answer.raise_for_status().json()["data"]
        return found

    def ringing(self) -> list[Mapping[str, str]]:
        """The labels of each alert that has reached Alertmanager and rings."""
        rung = self._bell.get("/api/v2/alerts").raise_for_status().json()
        return [alert["labels"] for alert in rung]

    def rules(self) -> dict[str, dict[str, str]]:
        """The health of each rule that is loaded (ok, err; unknown at first), by its group."""
        return {
            group["name"]: {rule["name"]: rule["health"] for rule in group["rules"]}
            for group in self._groups()
        }

    def unhealthy(self) -> list[str]:
        """Rules that could not be evaluated, with the error."""
        rules = [rule for group in self._groups() for rule in group["rules"]]
        return [f"{r['name']}: {r.get('lastError')}" for r in rules if r["health"] == "err"]

    def _groups(self) -> list[Any]:
        answer = self._http.get("/api/v1/rules").raise_for_status()
        groups: list[Any] = answer.json()["data"]["groups"]
        return groups

    def close(self) -> None:
        """End both."""
        self._http.close()
        self._bell.close()
        self._prometheus.kill()
        self._alertmanager.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.close()

    def _configuration(self, scrapes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        return {
            "global": {"scrape_interval": EVERY, "evaluation_interval": EVERY},
            "rule_files": [str(self._directory / "rules.yaml")],
            "alerting": {
                "alertmanagers": [
                    {"static_configs": [{"targets": [f"{HOST}:{self._alerts_port}"]}]}
                ]
            },
            "scrape_configs": [dict(scrape) for scrape in scrapes],
        }


def _client(port: int) -> httpx2.Client:
    url = f"http://{HOST}:{port}"
    return httpx2.Client(base_url=url, trust_env=False, timeout=ANSWER_SECONDS)


def _ready(http: httpx2.Client) -> bool:
    try:
        return http.get("/-/ready").is_success
    except httpx2.TransportError:
        return False

"""Campaigns for tests: their specs, their firings, and what the runner's environment says."""

import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fogbell.model.campaign import CampaignSpec, cronjob_name, firing
from fogbell_campaign.run import Run
from fogbell_local.processes import Program

NAMESPACE, NAME, UID = "shop", "nightly", "6f1c0f4e-0001-4000-8000-000000000001"
CONTENT = {"email": {"subject": "Fog tonight", "text": "The bell will ring."}}
SCHEDULED = datetime.now(UTC).replace(second=0, microsecond=0)
"""One time for every run, or those of one test might be of two minutes."""


def written(**changes: Any) -> dict[str, Any]:
    """A spec as its author writes it, to everyone by e-mail; None takes a field away."""
    document: dict[str, Any] = {
        "schedule": "0 2 * * *",
        "startingDeadlineSeconds": 86_400,
        "audience": {"all": True},
        "channels": ["email"],
        "content": CONTENT,
        **changes,
    }
    return {name: value for name, value in document.items() if value is not None}


def spec(**changes: Any) -> CampaignSpec:
    return CampaignSpec.model_validate(written(**changes))


def job_name(scheduled: datetime) -> str:
    """What the CronJob calls the Job of ``scheduled``."""
    return f"{cronjob_name(NAME)}-{int(scheduled.timestamp()) // 60}"


def new_run(job: str | None = None, controller: str = "job-1", **changes: Any) -> Run:
    """The run of a Job, of `SCHEDULED` unless it has another name; ``changes`` as `written`."""
    name = job_name(SCHEDULED) if job is None else job
    fired = firing(cronjob_name(NAME), name, controller)
    return Run(spec(**changes), NAMESPACE, NAME, UID, fired)


def environment(run: Run, **more: str) -> dict[str, str]:
    """What the operator tells the pods of ``run``."""
    scheduled = run.firing.scheduled_for
    return {
        "FOGBELL_CAMPAIGN__SPEC": json.dumps(run.spec.model_dump(mode="json", by_alias=True)),
        "FOGBELL_CAMPAIGN__NAMESPACE": run.namespace,
        "FOGBELL_CAMPAIGN__NAME": run.name,
        "FOGBELL_CAMPAIGN__UID": run.uid,
        "FOGBELL_CAMPAIGN__JOB_NAME": job_name(scheduled) if scheduled else "by-hand",
        "FOGBELL_CAMPAIGN__CONTROLLER_UID": run.firing.key.removeprefix("manual:"),
        **more,
    }


def of_pod(run: Run, termination_log: Path, settings: Mapping[str, str]) -> dict[str, str]:
    """All that a pod of ``run`` is told; ``settings`` stand. Its summary goes to the log."""
    termination_log.touch()
    return {
        **environment(run),
        "FOGBELL_METRICS__PORT": "0",
        "FOGBELL_TERMINATION_LOG": str(termination_log),
        **settings,
    }


def start_pod(run: Run, name: str, directory: Path, settings: Mapping[str, str]) -> Program:
    """Start the runner as Kubernetes would, and do not wait.

    Its output is in ``directory``, under ``name`` and ``.log``, its summary under ``.termination``.
    """
    told = of_pod(run, directory / f"{name}.termination", settings)
    command = [sys.executable, "-m", "fogbell_campaign"]
    return Program(command, directory / f"{name}.log", env=told)

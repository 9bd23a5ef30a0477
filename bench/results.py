"""A run as JSON: ``results/<time>.json``, and ``results/latest.json``, which later runs add to."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.running import Measured
from bench.values import Aim, Medians, Sample

Json = dict[str, Any]
LATEST = "latest.json"


def document(
    measured: Sequence[Measured], machine: Mapping[str, object], versions: Mapping[str, str],
    commit: str,
) -> Json:  # fmt: skip
    """Everything of one run. Each row names its commit and time: the newest run may have others."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    origin = {"commit": commit, "time": now}
    return {
        **origin,
        "machine": dict(machine),
        "versions": dict(versions),
        "rows": {m.row.name: _row(m) | origin for m in measured},
        "aims": [_aim(aim) for m in measured for aim in m.row.aims(Medians(m.samples))],
        "faults": [fault for m in measured for fault in m.faults],
    }


def _row(measured: Measured) -> Json:
    row, medians = measured.row, Medians(measured.samples)
    cases = [
        _case(measured.samples, medians, system, setting)
        for system in medians.systems()
        for setting in medians.settings(system)
    ]
    return {
        "title": row.title,
        "figure": row.figure,
        "unit": row.unit,
        "less_is_better": row.less_is_better,
        "cases": cases,
    }


def _case(samples: Iterable[Sample], medians: Medians, system: str, setting: str) -> Json:
    names = medians.names(system, setting)
    return {
        "system": system,
        "setting": setting,
        "medians": {name: _round(medians.get(system, setting, name)) for name in names},
        "samples": [
            {"round": s.round, **{name: _round(value) for name, value in s.figures.items()}}
            for s in samples
            if (s.system, s.setting) == (system, setting)
        ],
    }


def _aim(aim: Aim) -> Json:
    return {
        "name": aim.name,
        "value": _round(aim.value),
        "unit": aim.unit,
        "aim": aim.text,
        "met": aim.met,
    }


def _round(value: float | None) -> float | None:
    """Four digits behind the point: what is smaller is noise."""
    return None if value is None else round(value, 4)


def write(folder: Path, new: Json) -> Path:
    """Keep the run, and put its rows and aims in place of those of the newest; its own file."""
    folder.mkdir(parents=True, exist_ok=True)
    own = folder / f"{new['time'].replace(':', '').replace('-', '')}.json"
    _store(own, new)
    latest = folder / LATEST
    before = json.loads(latest.read_text()) if latest.exists() else None
    _store(latest, merged(before, new))
    return own


def merged(before: Json | None, new: Json) -> Json:
    """``new``, with the rows of ``before`` that it has not measured, and their aims."""
    if before is None:
        return new
    measured = set(new["rows"])
    kept = [aim for aim in before["aims"] if aim["name"].partition(":")[0] not in measured]
    stale = [f for f in before["faults"] if f.partition(",")[0] not in measured]
    return {
        **new,
        "rows": {k: v for k, v in before["rows"].items() if k not in measured} | new["rows"],
        "aims": kept + new["aims"],
        "faults": stale + new["faults"],
    }


def _store(path: Path, document: Json) -> None:
    path.write_text(json.dumps(document, indent=1) + "\n")

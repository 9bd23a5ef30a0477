"""What a Job leaves behind: its container's termination message, which outlives its process."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

LONGEST = 4096
"""Bytes of a termination message (kubernetes.io/docs: "Customizing the termination message")."""

_CUT = "…"


def leave_summary(path: Path, fields: Mapping[str, object]) -> None:
    """Write ``fields`` to ``path``, where Kubernetes looks; nothing outside of a container."""
    if os.access(path, os.W_OK):
        path.write_text(summary_text(fields))


def summary_text(fields: Mapping[str, object]) -> str:
    """As JSON on one line; a ``message`` that makes it too long for Kubernetes is cut."""
    text = json.dumps(fields, ensure_ascii=False)
    over, message = len(text.encode()) - LONGEST, fields.get("message")
    if over <= 0 or not isinstance(message, str):
        return text
    # Each character takes a byte or more.
    kept = max(0, len(message) - over - len(_CUT.encode()))
    return json.dumps({**fields, "message": message[:kept] + _CUT}, ensure_ascii=False)

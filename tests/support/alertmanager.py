"""Alertmanager, which tests ask what has rung."""

from collections.abc import Callable
from pathlib import Path

from tests.support.gomodules import built

VERSION = "v0.27.0"


def alertmanager(say: Callable[[str], None] = print) -> Path:
    """Its program. Debian's looks for its templates where only an installed package has them."""
    module = "github.com/prometheus/alertmanager/cmd/alertmanager"
    return built("alertmanager", module, VERSION, "2 minutes", say)

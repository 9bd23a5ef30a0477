"""Alertmanager, which tests ask what has rung."""

from pathlib import Path

from tests.support.gomodules import built
from tests.support.making import Say

VERSION = "v0.27.0"


def alertmanager(say: Say = print) -> Path:
    """Its program. Debian's looks for its templates where only an installed package has them."""
    module = "github.com/prometheus/alertmanager/cmd/alertmanager"
    return built("alertmanager", module, VERSION, "2 minutes", say)

"""The programs that break things: built or fetched once for a machine.

Toxiproxy stands in the network between components and servers; libfaketime gives a process a wrong
clock.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.kinds import NETWORK, Kind
from tests.support.gomodules import built
from tests.support.making import Say

from fogbell_local.servers import ServerError, laid_out

TOXIPROXY = "github.com/Shopify/toxiproxy/v2/cmd/server"
TOXIPROXY_VERSION = "v2.5.0"
_LIBRARY = "usr/lib/*/faketime/libfaketime.so.1"


@dataclass(frozen=True, slots=True)
class Programs:
    """Where they are; None for one that no fault of a plan needs."""

    toxiproxy: Path | None = None
    faketime: Path | None = None


def provide(kinds: Iterable[Kind], say: Say) -> Programs:
    """What faults of ``kinds`` need. Raises `ToolError` and ServerError."""
    wanted = set(kinds)
    return Programs(
        toxiproxy=toxiproxy(say) if wanted & NETWORK else None,
        faketime=libfaketime() if Kind.WRONG_CLOCK in wanted else None,
    )


def toxiproxy(say: Say) -> Path:
    """Its server, built from its Go module the first time. Raises `ToolError`."""
    return built("toxiproxy", TOXIPROXY, TOXIPROXY_VERSION, "3 minutes", say)


def libfaketime() -> Path:
    """Its library: the system's, or Debian's package laid out beside. Raises ServerError."""
    found = _library(Path("/")) or _library(laid_out("libfaketime"))
    if found is None:
        raise ServerError(f"Debian's package has no {_LIBRARY}: install libfaketime")
    return found


def _library(root: Path) -> Path | None:
    return next(iter(sorted(root.glob(_LIBRARY))), None)

"""A provider that takes everything and does nothing: what is left is what Fogbell itself costs."""

from pathlib import Path
from typing import Any

from fogbell_worker.providers import (
    Channel,
    Message,
    Outcome,
    ProviderKind,
    ProviderSettings,
    RenderedEmail,
    Reply,
)

_TAKEN = Reply(Outcome.ACCEPTED, code="250")


class NoopProvider:
    """Says yes at once."""

    def __init__(self, _: ProviderSettings) -> None:
        pass

    async def send(self, _: Message[RenderedEmail, Any]) -> Reply:
        """Nothing is sent."""
        return _TAKEN

    async def close(self) -> None:
        """Nothing is open."""


KIND = ProviderKind(channel=Channel.EMAIL, settings=ProviderSettings, create=NoopProvider)


def installed(directory: Path) -> Path:
    """A folder for PYTHONPATH that offers the kind ``noop``: what installing a package leaves.

    Source: "Entry points specification" and "Recording installed projects", packaging.python.org.
    """
    site = directory / "site"
    info = site / "fogbell_bench_noop-1.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: fogbell-bench-noop\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[fogbell.providers]\nnoop = bench.noop:KIND\n")
    return site

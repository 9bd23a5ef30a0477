"""What a person sees of the demo: a live table on a terminal, else a line now and then."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from rich import box
from rich.console import Console
from rich.live import Live
from rich.table import Table

from fogbell.model.status import Channel
from fogbell_local.client.progress import STATUSES, line
from fogbell_local.demo.providers import by_provider
from fogbell_local.sink.ledger import Entry, Outcome

LINE_SECONDS = 2.0
_SHOWN = STATUSES[:5]
_KINDS = {
    Channel.EMAIL: "mails",
    Channel.WEBHOOK: "webhooks",
    Channel.SMS: "texts",
    Channel.PUSH: "pushes",
}


@dataclass(frozen=True, slots=True)
class Snapshot:
    """How far everything is: the notifications as the interface shows them, and the ledger."""

    documents: Sequence[Mapping[str, Any]]
    ledger: Sequence[Entry]

    def arrived(self) -> dict[str, int]:
        """The ledger in numbers: ``mails``, ``mails refused``, ``webhooks``, ..."""
        counts: Counter[str] = Counter()
        for entry in self.ledger:
            kind = _KINDS[entry.channel]
            counts[kind if entry.outcome is Outcome.ACCEPTED else f"{kind} refused"] += 1
        return dict(counts)


class View:
    """Shows what happens. Use it as a context manager."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console()
        self._live: Live | None = None
        self._shown_at = 0.0
        self._told: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def say(self, text: str) -> None:
        """A line of its own, above the table."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def show(self, snapshot: Snapshot, *, last: bool = False) -> None:
        """Bring the table up to date."""
        if not self._console.is_terminal:
            self._show_line(snapshot, last=last)
            return
        if self._live is None:
            self._live = Live(console=self._console, auto_refresh=False)
            self._live.start()
        self._live.update(table(snapshot), refresh=True)

    def _show_line(self, snapshot: Snapshot, *, last: bool) -> None:
        now = time.monotonic()
        if last or now - self._shown_at >= LINE_SECONDS:
            self._shown_at = now
            for text in lines(snapshot):
                if text not in self._told:
                    self._told.add(text)
                    self.say(f"  {text}")


def lines(snapshot: Snapshot) -> list[str]:
    """A line for each notification, and one for each channel whose providers are told apart."""
    notifications = (
        f"{document['lane']}{_channels(document)} {line(document)}"
        for document in snapshot.documents
    )
    return [*notifications, *by_provider(snapshot.ledger)]


def _channels(document: Mapping[str, Any]) -> str:
    """Which ones, where they are known: they tell two notifications of a lane apart."""
    names = sorted(document["by_channel"])
    return f" ({', '.join(names)})" if names else ""


def table(snapshot: Snapshot) -> Table:
    """A row for each lane and channel; what the sink has taken stands below."""
    result = Table(box=box.SIMPLE_HEAD, caption_justify="left")
    result.add_column("lane")
    result.add_column("channel")
    for status in _SHOWN:
        result.add_column(status, justify="right")
    for document in snapshot.documents:
        for channel, counts in sorted(document["by_channel"].items()):
            cells = (str(counts.get(status, 0) or "-") for status in _SHOWN)
            result.add_row(document["lane"], channel, *cells)
    taken = ", ".join(f"{number} {what}" for what, number in sorted(snapshot.arrived().items()))
    captions = [f"the sink's ledger: {taken or 'nothing yet'}", *by_provider(snapshot.ledger)]
    result.caption = "\n".join(captions)
    return result

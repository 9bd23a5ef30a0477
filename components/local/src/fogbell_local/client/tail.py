"""``fogbell tail``: what becomes of each delivery of a notification, as it happens."""

from collections.abc import Iterator
from uuid import UUID

import typer

from fogbell_client import Fogbell
from fogbell_client.documents import Attempt, Delivery, Notification
from fogbell_local.client.connection import JsonOption, KeyOption, UrlOption, connect
from fogbell_local.client.printing import print_json_line
from fogbell_local.client.problems import ClientError, reporting
from fogbell_local.client.progress import line
from fogbell_local.client.status import NotificationArgument, seen

LARGEST = 2_000
"""Deliveries that are followed one by one: all of them are read at each look."""

SOME_DEAD = 3
"""Exit status where everything is settled and something is dead."""


def tail(
    notification: NotificationArgument,
    as_json: JsonOption = False,
    url: UrlOption = None,
    api_key: KeyOption = None,
) -> None:
    """Follow a notification's deliveries until all are settled; status 3 if some are dead."""
    shown: dict[str, object] = {}
    with reporting(), connect(url, api_key) as fogbell:
        for document in seen(fogbell, notification):
            check_size(document)
            for delivery in news(fogbell, notification, shown):
                if as_json:
                    print_json_line(delivery)
                else:
                    typer.echo(describe(delivery))
    if not as_json:
        typer.echo(line(document))
    if document["totals"].get("dead"):
        raise typer.Exit(SOME_DEAD)


def check_size(document: Notification) -> None:
    """Raises ClientError for a notification that is too large to be followed."""
    count = sum(document["totals"].values())
    if count > LARGEST:
        raise ClientError(
            f"{count} deliveries are too many to be followed one by one;"
            f" try `fogbell status {document['id']} --watch`"
        )


def news(fogbell: Fogbell, notification: UUID, shown: dict[str, object]) -> Iterator[Delivery]:
    """The deliveries that have changed since ``shown`` was last given, which is brought up."""
    for delivery in fogbell.deliveries(notification, page_size=200):
        state = (delivery["status"], delivery["attempt_count"], delivery["lost_leases"])
        if shown.get(delivery["id"]) != state:
            shown[delivery["id"]] = state
            yield delivery


def describe(delivery: Delivery) -> str:
    """A delivery on one line: who, what, and what its last attempt came to."""
    who = delivery["recipient_id"] or delivery["address"] or "-"
    words = [f"{delivery['channel']:7} {who}  {delivery['status']}"]
    if delivery["reason"]:
        words.append(f"({delivery['reason']})")
    if delivery["attempts"] and delivery["status"] != "sending":
        words.append(_attempt(delivery["attempts"][-1]))
    if delivery["status"] == "failed" and delivery["not_before"]:
        words.append(f"again after {delivery['not_before']}")
    return "  ".join(words)


def _attempt(attempt: Attempt) -> str:
    parts = [attempt[name] for name in ("provider", "outcome", "code", "enhanced_code", "detail")]
    return " ".join(str(part) for part in parts if part)

"""The sink as a receiver of webhooks, identified by their ``webhook-id`` header.

Any path is taken; one that starts with ``/unavailable`` answers 503 with ``Retry-After`` the first
time, one that starts with ``/gone`` answers 410.
"""

from fogbell.model.status import Channel
from fogbell_local.sink import ledger
from fogbell_local.sink.answering import Answering
from fogbell_local.sink.http import Reply, Request
from fogbell_local.sink.ledger import Entry, Outcome
from fogbell_local.sink.refusal import GONE_PATH

RETRY_AFTER_SECONDS = 2


async def answer(answering: Answering, request: Request) -> Reply:
    """Answer one request."""
    delivery = request.headers.get("webhook-id", "")
    if request.method != "POST":
        return Reply(405, (("Allow", "POST"),))
    if not delivery:
        return Reply(400)
    path = request.path
    outcome = answering.refusals.webhook(delivery, path)
    reply = _reply(outcome, path)
    entry = Entry(
        ledger.now(), Channel.WEBHOOK, delivery, outcome, path=path, code=reply.status
    )  # fmt: skip
    await answering.answered(entry)
    return reply


def _reply(outcome: Outcome, path: str) -> Reply:
    if outcome is Outcome.ACCEPTED:
        return Reply(200)
    if path.startswith(GONE_PATH):
        return Reply(410)
    return Reply(503, (("Retry-After", str(RETRY_AFTER_SECONDS)),))

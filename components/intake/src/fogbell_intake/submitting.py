"""Taking posts: from a parsed body to what is stored, whether it came alone or in a batch."""

from dataclasses import dataclass
from typing import Any

from fogbell.store import notifications
from fogbell.store.notifications import Accept
from fogbell_intake import problem_types as types
from fogbell_intake.accepting import Accepted, Accepter, request_hash
from fogbell_intake.auth import Caller
from fogbell_intake.bodies import NotificationBody
from fogbell_intake.metrics import IntakeMetrics
from fogbell_intake.posting import Lookups, Post, PostingSettings, prepare
from fogbell_intake.problems import Problem, validate
from fogbell_intake.wanted import WantedEvents


@dataclass(frozen=True, slots=True)
class Ready:
    """A post that can be stored, or the answer that was given to it before."""

    post: Post
    accept: Accept | None
    answered: Accepted | None = None


@dataclass(frozen=True, slots=True)
class Submitter:
    """Takes posts in two steps, so that those of a batch reach one commit together."""

    lookups: Lookups
    accepter: Accepter
    settings: PostingSettings
    metrics: IntakeMetrics
    wanted: WantedEvents

    async def ready(self, caller: Caller, raw: dict[str, Any], key: str | None) -> Ready:
        """Check a post and plan what is to be stored; raises a 422 `Problem`."""
        body, reports = validate(NotificationBody, raw), await self.wanted.of(caller.app)
        hashed = None if key is None else request_hash(raw)
        post = Post(caller, body, hashed, key, reports)
        try:
            accept = await prepare(self.lookups, post, self.settings, self.metrics.unknown_variable)
        except Problem:
            # What was right then may be wrong now (a recipient deleted since): the key still
            # answers.
            known = await self._answered_before(post)
            if known is None:
                raise
            return Ready(post, None, known)
        return Ready(post, accept)

    async def store(self, ready: Ready) -> Accepted:
        """Store it (majority, journaled), unless its key has answered before.

        Raises a 422 `Problem` where the key came with another body, and `StoreUnavailableError`.
        """
        answer = ready.answered
        if answer is None:
            assert ready.accept is not None
            keyed = ready.post.idempotency_key is not None
            answer = await self.accepter.accept(ready.accept, keyed=keyed)
            if not answer.replayed:
                self.metrics.accepted(ready.accept.notification.lane)
        if answer.replayed and not answer.matches(ready.post.request_hash):
            raise Problem(
                types.IDEMPOTENCY_MISMATCH,
                "This Idempotency-Key came before with another body. Use a new key for a new"
                " notification, or send the same body again.",
            )
        return answer

    async def _answered_before(self, post: Post) -> Accepted | None:
        if post.idempotency_key is None:
            return None
        known = await notifications.stored(self.lookups.db, [post.id])
        stored = known.get(post.id)
        return Accepted(post.id, stored, replayed=True) if stored else None

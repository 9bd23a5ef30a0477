"""The spans of a lane: of whom a claim and its deliveries are children, and what they link to."""

import asyncio
from uuid import UUID

from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased
from opentelemetry.trace import StatusCode
from tests.support.lanes import ScriptedSender, lane, posted
from tests.support.spans import attributes, context, ids, links_of, parent_of, spans_kept

from fogbell.model.outcome import Outcome, Reply
from fogbell.model.status import Lane
from fogbell.store.database import Database

POSTED = f"00-{7:032x}-{8:016x}-01"
CLAIM = "claim email.transactional"
BULK = "claim email.bulk"


async def _posted(db: Database, kind: Lane = Lane.TRANSACTIONAL) -> list[UUID]:
    return await posted(db, lane=kind, traceparent=POSTED)


async def test_messages_of_several_traces_are_claimed_in_one_that_is_linked_to_each(
    db: Database,
) -> None:
    first, second = await _posted(db), await _posted(db)
    with spans_kept() as spans:
        async with lane(db, ScriptedSender(), lane=Lane.TRANSACTIONAL) as running:
            handed = [
                running.hand(first, published_in=context(1)),
                running.hand(second, published_in=context(2)),
            ]
            await asyncio.gather(*(finished.wait() for finished in handed))
        claim = spans.one(CLAIM)
        assert parent_of(claim) is None
        assert links_of(claim) == {(1, 1), (2, 1)}
        assert attributes(claim)["messaging.batch.message_count"] == 2
        assert attributes(claim)["fogbell.claimed"] == 2
        assert spans.names.count("deliver email") == spans.names.count("record") == 2


async def test_messages_of_one_trace_are_claimed_within_it(db: Database) -> None:
    first, second = await _posted(db), await _posted(db)
    with spans_kept() as spans:
        async with lane(db, ScriptedSender(), lane=Lane.TRANSACTIONAL) as running:
            handed = [running.hand(one, published_in=context(1)) for one in (first, second)]
            await asyncio.gather(*(finished.wait() for finished in handed))
        assert parent_of(spans.one(CLAIM)) == (1, 1)


async def test_a_message_of_bulk_is_claimed_in_a_trace_of_its_own(db: Database) -> None:
    ours = await _posted(db, Lane.BULK)
    with spans_kept() as spans:
        async with lane(db, ScriptedSender()) as running:
            await running.hand(ours, published_in=context(1)).wait()
        claim, deliver = spans.one(BULK), spans.one("deliver email")
        assert (parent_of(claim), links_of(claim)) == (None, {(1, 1)})
        assert parent_of(deliver) is None
        assert links_of(deliver) == {(7, 8), ids(claim.context)}


async def test_what_was_not_traced_when_it_was_posted_has_no_span_of_its_sending(
    db: Database,
) -> None:
    ours = await posted(db, lane=Lane.TRANSACTIONAL)
    with spans_kept() as spans:
        async with lane(db, ScriptedSender(), lane=Lane.TRANSACTIONAL) as running:
            await running.hand(ours).wait()
        assert spans.names == [CLAIM]


async def test_nothing_is_kept_of_a_trace_that_its_caller_does_not_keep(db: Database) -> None:
    ours = await posted(db, lane=Lane.TRANSACTIONAL)
    with spans_kept(ParentBased(ALWAYS_OFF)) as spans:
        async with lane(db, ScriptedSender(), lane=Lane.TRANSACTIONAL) as running:
            await running.hand(ours, published_in=context(1, sampled=False)).wait()
        assert spans.names == []


async def test_a_defect_of_a_sender_fails_the_span_of_its_try(db: Database) -> None:
    def broken(_: object) -> Reply:
        raise ZeroDivisionError

    ours = await _posted(db)
    with spans_kept() as spans:
        sender = ScriptedSender(broken)
        async with lane(db, sender, lane=Lane.TRANSACTIONAL) as running:
            await running.hand(ours).wait()
        deliver = spans.one("deliver email")
        assert deliver.status.status_code is StatusCode.ERROR
        assert attributes(deliver)["error.type"] == "ZeroDivisionError"


async def test_a_refusal_is_told_by_its_word(db: Database) -> None:
    ours = await _posted(db)
    refused = Reply(Outcome.PERMANENT, code="550", reason="refused", detail="ann@example.org")
    with spans_kept() as spans:
        sender = ScriptedSender(lambda _: refused)
        async with lane(db, sender, lane=Lane.TRANSACTIONAL) as running:
            await running.hand(ours).wait()
        told = attributes(spans.one("deliver email"))
        assert (told["fogbell.outcome"], told["fogbell.reason"]) == ("permanent", "refused")
        assert "ann@example.org" not in str(told)

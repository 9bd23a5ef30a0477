"""The span of a commit: one for each group, and linked to all who asked for it."""

import asyncio

from tests.support.accepters import accepting_for, new_post
from tests.support.spans import context, links_of, parent_of, spans_kept

from fogbell.store.database import Database, StoreUnavailableError
from fogbell.store.notifications import Accept
from fogbell.telemetry import traces
from fogbell.telemetry.lineage import Lineage
from fogbell_intake.accepting import Accepted, Accepter


async def _asked(accepter: Accepter, post: Accept, trace: int, *, keyed: bool = False) -> Accepted:
    with traces.span("post", Lineage(context(trace))):
        return await accepter.accept(post, keyed=keyed)


async def test_a_commit_is_linked_to_the_twins_of_its_posts_too(db: Database) -> None:
    twins = [new_post(db, key="twin") for _ in range(3)]
    with spans_kept() as spans:
        async with accepting_for(db) as accepter:
            asked = (_asked(accepter, p, n, keyed=True) for n, p in enumerate(twins, 1))
            await asyncio.gather(*asked)
        commit = spans.one("commit")
    assert parent_of(commit) is None
    assert {trace for trace, _ in links_of(commit)} == {1, 2, 3}


async def test_a_commit_in_halves_is_one_span(db: Database) -> None:
    stored = new_post(db)
    posts = [new_post(db), new_post(db), stored, new_post(db)]
    async with accepting_for(db) as accepter:
        await accepter.accept(stored, keyed=False)
        with spans_kept() as spans:
            asked = (_asked(accepter, post, n) for n, post in enumerate(posts, 1))
            answers = await asyncio.gather(*asked, return_exceptions=True)
            await accepter.accept(new_post(db), keyed=False)  # the commit before it has ended
            assert [isinstance(a, StoreUnavailableError) for a in answers] == [
                False, False, True, False,
            ]  # fmt: skip
        (first, _) = spans.all("commit")
    assert {trace for trace, _ in links_of(first)} == {1, 2, 3, 4}

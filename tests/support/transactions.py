"""What a process leaves behind that was killed within a transaction."""

import contextlib
from collections.abc import AsyncIterator

from fogbell.store.database import Collection, Database, Document


@contextlib.asynccontextmanager
async def held(
    db: Database, collection: Collection, document: Document, change: Document | None = None
) -> AsyncIterator[None]:
    """``document`` is inserted, or changed by ``change``, in a transaction that nobody ends.

    MongoDB would abort it after a minute; leaving the block aborts it now.
    """
    async with await db.client.start_session() as session, session.start_transaction():
        if change is None:
            await collection.insert_one(document, session=session)
        else:
            await collection.update_one({"_id": document["_id"]}, change, session=session)
        yield
        await session.abort_transaction()

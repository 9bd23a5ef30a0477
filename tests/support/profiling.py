"""What MongoDB really did for a call, from its own profiler."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fogbell.store.database import Collection, Database, Document


@asynccontextmanager
async def profiled(db: Database, collection: Collection) -> AsyncIterator[list[Document]]:
    """A list that holds, afterwards, one profile entry for each operation on ``collection``.

    Source for the fields (``planSummary``, ``keysExamined``, ``docsExamined``, ``nreturned``):
    MongoDB manual, "Database Profiler Output".
    """
    entries: list[Document] = []
    await db.handle.command("profile", 2)
    try:
        yield entries
    finally:
        await db.handle.command("profile", 0)
        found = db.handle["system.profile"].find({"ns": collection.full_name}).sort("ts", 1)
        entries += [dict(entry) async for entry in found]
        await db.handle.drop_collection("system.profile")

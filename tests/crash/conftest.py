"""The ground of integration tests, on a MongoDB that soon ends what the dead have left open."""

from typing import Any

import pymongo
import pytest
from tests.integration.conftest import module_ground

__all__ = ["module_ground"]

LIMIT = "transactionLifetimeLimitSeconds"
TRANSACTION_SECONDS = 3
"""What a transaction may last: MongoDB's default is 60. Who dies in one leaves it open so long."""


@pytest.fixture(scope="session", autouse=True)
def _short_transactions(mongo_uri: str) -> None:
    with pymongo.MongoClient[dict[str, Any]](mongo_uri) as client:
        # It stays so: another runner's tests may still be at work on this server, which ends with
        # the last of them.
        client.admin.command({"setParameter": 1, LIMIT: TRANSACTION_SECONDS})

"""A small typed client of Fogbell's HTTP interface, sync and async.

with Fogbell("http://127.0.0.1:8080", "fbk_...") as fogbell:
    accepted = fogbell.post({"audience": {...}, "channels": ["email"], "content": {...}})
    fogbell.notification(accepted["id"])["totals"]
"""

from fogbell_client.async_client import AsyncFogbell, AsyncInbox
from fogbell_client.call import Call
from fogbell_client.client import Fogbell, Inbox
from fogbell_client.errors import (
    ExpiredTokenError,
    FogbellError,
    ProblemError,
    UnreachableError,
)
from fogbell_client.retrying import NO_RETRIES, RetryPolicy
from fogbell_client.streaming import InboxStream

__all__ = [
    "NO_RETRIES",
    "AsyncFogbell",
    "AsyncInbox",
    "Call",
    "ExpiredTokenError",
    "Fogbell",
    "FogbellError",
    "Inbox",
    "InboxStream",
    "ProblemError",
    "RetryPolicy",
    "UnreachableError",
]

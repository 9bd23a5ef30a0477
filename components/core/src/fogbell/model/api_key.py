"""API keys: what they look like, what they allow, and who they speak for."""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

API_KEY = re.compile(r"fbk_[A-Za-z0-9_-]{32,128}")
"""A key as it is sent: ``fbk_`` and at least 32 characters of URL-safe base64."""


class Scope(StrEnum):
    """What a key may do. One route asks for exactly one of them."""

    SEND = "send"
    READ = "read"
    MANAGE = "manage"
    INBOX = "inbox"


class KeyMode(StrEnum):
    """``TEST`` keys simulate sending: everything happens but the provider's call."""

    LIVE = "live"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One document of ``api_keys``, without the key: only its SHA-256 is kept.

    ``prefix`` is the key's beginning, enough to recognise it by and too little to use. Times are
    UTC; a key without ``expires_at`` does not expire. ``rate_limit`` is in requests per second;
    None: what the installation's settings say.
    """

    id: str
    name: str
    app: str
    prefix: str
    scopes: frozenset[Scope]
    mode: KeyMode
    created_at: datetime
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    rate_limit: float | None = None

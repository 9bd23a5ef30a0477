"""Who asks: API keys, their scopes, and how fast they may ask.

A key is looked up by its SHA-256, so that neither the time of the lookup nor the database tells
anything about it.
"""

import asyncio
import hashlib
import hmac
import math
from collections import OrderedDict
from dataclasses import dataclass
from time import monotonic

import structlog
from pydantic import SecretStr
from starlette.requests import Request

from fogbell.model.api_key import API_KEY, ApiKey, KeyMode, Scope
from fogbell.store import api_keys
from fogbell.store.database import Database, StoreUnavailableError
from fogbell_intake import problem_types as types
from fogbell_intake.key_limits import KeyLimits
from fogbell_intake.problems import Problem

BOOTSTRAP_ID = "bootstrap"
CACHE_SECONDS = 5.0
"""For how long a key that was looked up is believed: so long after it was deleted through another
process, it may still be taken by this one. An expiry is checked at every request."""

TOUCH_SECONDS = 60.0
_CACHED_KEYS = 10_000

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Caller:
    """The app that a key speaks for. ``simulate`` is set for keys of mode ``test``, ``rate_limit``
    (requests per second) for keys with a limit of their own."""

    app: str
    key_id: str
    scopes: frozenset[Scope]
    simulate: bool = False
    rate_limit: float | None = None


@dataclass(slots=True)
class _Known:
    key: ApiKey
    caller: Caller
    believed_until: float


def key_hash(key: str) -> bytes:
    """What is stored of a key. Keys are long and random, so a plain hash is enough."""
    return hashlib.sha256(key.encode()).digest()


class KeyRing:
    """Admits requests by their API key.

    Keys are remembered for `CACHE_SECONDS`, so that a lookup is not paid at every request; when
    a key was used last is written in the background, at most once a minute and key.
    """

    def __init__(
        self,
        db: Database,
        bootstrap: SecretStr | None = None,
        bootstrap_app: str = "bootstrap",
        limits: KeyLimits | None = None,
    ) -> None:
        self._db = db
        self._bootstrap = key_hash(bootstrap.get_secret_value()) if bootstrap else None
        self._bootstrap_caller = Caller(bootstrap_app, BOOTSTRAP_ID, frozenset(Scope))
        self._limits = limits or KeyLimits(db, None)
        self._known: OrderedDict[bytes, _Known] = OrderedDict()
        self._touched: dict[str, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def admit(self, request: Request, scope: Scope) -> Caller:
        """Who asks; raises a `Problem` 401 or 403."""
        caller = await self._authenticate(bearer(request))
        if scope not in caller.scopes:
            raise _missing_scope(scope)
        return caller

    async def charge(self, caller: Caller, requests: int) -> None:
        """Count ``requests`` against the key's limit, all or none; raises a `Problem` 429."""
        wait = await self._limits.wait(caller.key_id, caller.rate_limit, requests)
        if wait:
            seconds = max(1, math.ceil(wait))
            raise Problem(
                types.RATE_LIMITED,
                f"This key asks too often. Wait {seconds} s.",
                headers={"Retry-After": str(seconds)},
            )

    def forget(self, key_id: str) -> None:
        """Stop believing a key at once: it was deleted through this process."""
        for digest in [d for d, known in self._known.items() if known.key.id == key_id]:
            del self._known[digest]

    async def close(self) -> None:
        """Wait for what is being written in the background."""
        await asyncio.gather(*self._tasks)

    async def _authenticate(self, token: str) -> Caller:
        if not API_KEY.fullmatch(token):
            detail = "The bearer token is not an API key. Send the whole key (fbk_...), as created."
            raise _refused(types.INVALID_KEY, detail)
        digest = key_hash(token)
        if self._bootstrap is not None and hmac.compare_digest(digest, self._bootstrap):
            return self._bootstrap_caller
        known = self._known.get(digest)
        if known is None or known.believed_until < monotonic():
            known = await self._look_up(digest)
        expires_at = known.key.expires_at
        if expires_at is not None and expires_at <= self._db.clock.now():
            raise _refused(types.EXPIRED_KEY, "The API key has expired. Create another.")
        self._touch(known.key.id)
        return known.caller

    async def _look_up(self, digest: bytes) -> _Known:
        key = await api_keys.find(self._db, digest)
        if key is None:
            self._known.pop(digest, None)
            raise _refused(
                types.INVALID_KEY, "There is no such API key. Create another, or look for a slip."
            )
        caller = Caller(
            key.app,
            key.id,
            key.scopes,
            simulate=key.mode is KeyMode.TEST,
            rate_limit=key.rate_limit,
        )
        known = _Known(key, caller, monotonic() + CACHE_SECONDS)
        self._known[digest] = known
        self._known.move_to_end(digest)
        if len(self._known) > _CACHED_KEYS:
            self._known.popitem(last=False)
        return known

    def _touch(self, key_id: str) -> None:
        now = monotonic()
        if now - self._touched.get(key_id, -math.inf) < TOUCH_SECONDS:
            return
        if len(self._touched) > _CACHED_KEYS:
            self._touched.clear()
        self._touched[key_id] = now
        task = asyncio.create_task(self._write_last_used(key_id))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _write_last_used(self, key_id: str) -> None:
        try:
            await api_keys.touch(self._db, key_id)
        except StoreUnavailableError:
            log.warning("api_key.last_used_not_written", key_id=key_id)


def bearer(request: Request) -> str:
    """The token of ``Authorization: Bearer ...``; raises a 401 `Problem` without one."""
    headers = request.headers.getlist("authorization")
    if len(headers) != 1:
        raise _refused(types.UNAUTHENTICATED, "Send 'Authorization: Bearer fbk_...', once.", "")
    scheme, _, token = headers[0].partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise _refused(types.UNAUTHENTICATED, "Authorization must be 'Bearer fbk_...'.", "")
    return token.strip()


def _refused(
    kind: types.ProblemType, detail: str, error: str = ', error="invalid_token"'
) -> Problem:
    # RFC 6750 3: the challenge says what was wrong only if there were credentials.
    challenge = f'Bearer realm="fogbell"{error}'
    return Problem(kind, detail, headers={"WWW-Authenticate": challenge})


def _missing_scope(scope: Scope) -> Problem:
    challenge = f'Bearer realm="fogbell", error="insufficient_scope", scope="{scope}"'
    return Problem(
        types.MISSING_SCOPE,
        f"This route needs a key with the scope '{scope}'.",
        headers={"WWW-Authenticate": challenge},
    )

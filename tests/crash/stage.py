"""Where processes die: a system whose parts are taken out, and put back after a death."""

import asyncio
import contextlib
import os
import signal
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from uuid import UUID

import httpx2
from tests.crash.dying import dying
from tests.crash.points import CRASHED, Side, Step
from tests.support.account import email_ids, recipient_ids
from tests.support.campaigns import new_run, of_pod, start_pod
from tests.support.system import SECRETS, Ground, Json, System, mail
from tests.support.waiting import eventually

from fogbell.model.recipient import Recipient
from fogbell.model.status import Channel
from fogbell.store import recipients
from fogbell_local import environment, processes
from fogbell_local.environment import HOST
from fogbell_local.processes import Component
from fogbell_local.servers.ports import free_ports
from fogbell_local.sink import Behaviour, Outcome

TIMES = {
    "FOGBELL_PROTOCOL__LEASE_SECONDS": "4",
    "FOGBELL_PROTOCOL__LEASE_MARGIN_SECONDS": "0.5",
    "FOGBELL_PROTOCOL__GRACE_SECONDS": "1",
    "FOGBELL_PROTOCOL__GRACE_CAP_SECONDS": "4",
    "FOGBELL_PROTOCOL__EXPIRY_HOLD_SECONDS": "1",
    "FOGBELL_PROTOCOL__SETTLE_SECONDS": "0.3",
    "FOGBELL_PROTOCOL__SETTLE_CAP_SECONDS": "1",
    "FOGBELL_SWEEP__INTERVAL_SECONDS": "0.2",
    "FOGBELL_RETRY__BASE_SECONDS": "0.5",
    "FOGBELL_EMAIL__SEND_TIMEOUT": "2",
    "FOGBELL_EMAIL__CONNECT_TIMEOUT": "1",
    "FOGBELL_WEBHOOK__SEND_TIMEOUT": "2",
    "FOGBELL_WEBHOOK__CONNECT_TIMEOUT": "1",
}
"""As `tests.support.system.QUICK`, and quicker still: over a hundred deaths are waited out."""

DEATH_SECONDS = 8.0
"""How long the work of one round may take to kill the victim."""


@dataclass
class Stage:
    """A system of one intake, one worker and retry, and at most one victim.

    ``expected`` are the deliveries of each notification that has been asked for, of those that may
    be ``stopped`` not all; ``gone`` those of notifications that retention deletes. ``afterwards``
    is what has to be done once the victim is dead, before all can settle; ``checks`` what has to
    hold then.
    """

    ground: Ground
    system: System
    expected: dict[str, set[UUID]] = field(default_factory=dict)
    stopped: set[str] = field(default_factory=set)
    gone: dict[str, set[UUID]] = field(default_factory=dict)
    afterwards: list[Callable[[], Awaitable[object]]] = field(default_factory=list)
    checks: list[Callable[[], Awaitable[object]]] = field(default_factory=list)
    victim: Component | None = None
    _deleted: set[UUID] = field(default_factory=set)
    _run: Json = field(default_factory=dict)
    _address: str = ""
    _retries: bool = False
    _slow: bool = False

    # Taking out and putting back -----------------------------------------------------------------

    async def begin(self, *without: str, **settings: str) -> None:
        """Forget the test before; have all stand but those ``without``, with ``settings``."""
        self._deleted.update(*self.gone.values())
        self.expected, self.stopped, self.gone, self._run = {}, set(), {}, {}
        self.afterwards, self.checks = [], []
        await self._bury()
        self.system.settings = TIMES
        for component in ("worker", "retry"):
            if component in without:
                await self._take_out(component)
            else:
                await self.put_back(component)
        self.system.settings = TIMES | settings

    async def end(self, *changed: str) -> None:
        """Leave nothing to the next test that is not as it was: ``changed`` had settings."""
        await self._bury()
        self.quick_sink()
        for component in changed:
            await self._take_out(component)

    async def _bury(self) -> None:
        if self.victim is not None:
            await asyncio.to_thread(self.victim.program.kill)
            self.victim = None

    async def _take_out(self, component: str) -> None:
        if component == "retry" and self._retries:
            await self.system.stop_retry()
            self._retries = False
        for standing in [c for c in self.system.started if c.name == component]:
            await self.system.stop(standing)
            self.system.started.remove(standing)

    async def put_back(self, component: str) -> None:
        """Start ``component`` unless it stands; of a campaign a pod that follows the dead one."""
        match component:
            case "worker" if not any(c.name == component for c in self.system.started):
                await self.system.add_worker()
            case "retry" if not self._retries:
                await self.system.start_retry()
                self._retries = True
            case "campaign":
                await self._finish_run()

    async def _finish_run(self) -> None:
        logs, environ = self.system.logs, self.system.environ()
        run, name = new_run(**self._run), f"pod-{uuid.uuid4().hex[:6]}"
        program = await asyncio.to_thread(start_pod, run, name, logs, environ)
        await eventually(lambda: program.exit_status is not None, 40, 0.05)
        assert program.exit_status == 0, program.tail()
        await asyncio.to_thread(program.terminate, 0)

    async def start_victim(self, component: str, step: Step, side: Side, **settings: str) -> None:
        """Start ``component`` so that it dies at ``step``, and wait until it works or has died."""
        await self._bury()
        port, public = free_ports(2)
        environ = self.system.environ() | settings
        label = f"victim-{component}-{uuid.uuid4().hex[:6]}"
        match component:
            case "intake":
                environ |= environment.intake(SECRETS, public, port)
                self._address = f"http://{HOST}:{public}"
            case "worker":
                environ |= environment.worker(environ, self.system.place, port)
            case "retry":
                environ |= environment.retry(processes.job_name(time.time()), port)
            case "campaign":
                termination_log = self.system.logs / f"{label}.termination"
                environ = of_pod(new_run(**self._run), termination_log, environ)
        logs, how = self.system.logs, dying(step, side)
        self.victim = await asyncio.to_thread(
            processes.start, component, label, environ, port, logs, how=how
        )
        await eventually(self._works_or_is_dead, 30, 0.05)

    async def _works_or_is_dead(self) -> bool:
        """Whether it says that it can work, as all but a runner do, or has died already."""
        assert self.victim is not None
        if self.status is not None or self.victim.name == "campaign":
            return True
        return await asyncio.to_thread(self.victim.is_ready)

    @property
    def victim_has_ended(self) -> bool:
        """Whether a new one is needed."""
        return self.victim is None or self.status is not None

    @property
    def status(self) -> int | None:
        """How the victim has ended, None where it has not."""
        assert self.victim is not None
        return self.victim.program.exit_status

    async def death(self, within: float = DEATH_SECONDS) -> bool:
        """Whether the victim dies in time, at its point. Raises where it ends otherwise."""
        with contextlib.suppress(AssertionError):
            await eventually(lambda: self.status is not None, within, 0.02)
        assert self.victim is not None
        assert self.status in (None, 0, CRASHED), self.victim.obituary()
        return self.status == CRASHED

    def slow_sink(self, delay: float) -> None:
        """Let every provider answer ``delay`` seconds late."""
        self.ground.sink.restart(Behaviour(delay=delay))
        self._slow = True

    def quick_sink(self) -> None:
        """Let them answer at once again."""
        if self._slow:
            self.ground.sink.restart(Behaviour())
            self._slow = False

    def signal(self, number: signal.Signals) -> None:
        """Send the victim a signal."""
        assert self.victim is not None
        os.kill(self.victim.program.pid, number)

    # Work ----------------------------------------------------------------------------------------

    async def ask(self, method: str, path: str, body: Json | None = None, key: str = "") -> Json:
        """Ask the victim where it is an intake and lives, else who stands.

        {} where the victim dies and so does not answer: nobody asks again.
        """
        headers = {"Idempotency-Key": key} if key else {}
        if self.victim is not None and self.victim.name == "intake" and self.status is None:
            with contextlib.suppress(httpx2.TransportError):
                url = f"{self._address}{path}"
                answer = await self.system.client.request(method, url, json=body, headers=headers)
                return _document(answer)
            return {}
        answer = await self.system.client.request(method, path, json=body, headers=headers)
        return _document(answer)

    async def post(self, body: Json, expected: Callable[[str], set[UUID]]) -> str:
        """Post, and remember what has to come of it; the notification's id.

        As a client that gets no answer: the same once more, with the same key.
        """
        key = uuid.uuid4().hex
        answer = await self.ask("POST", "/v1/notifications", body, key)
        if not answer:
            # Refused with 503 where the dead one had begun to commit, until MongoDB ends that.
            answer = await eventually(lambda: self.system.post(body, key), 20, 0.2)
        self.expected[answer["id"]] = expected(answer["id"])
        return str(answer["id"])

    async def mails(self, number: int, **fields: object) -> str:
        """Post a mail to so many new people; the notification's id."""
        token = uuid.uuid4().hex[:8]
        people = [f"{token}-{n}@example.org" for n in range(number)]
        return await self.post(mail(*people, **fields), lambda id_: email_ids(id_, people))

    async def group(self, number: int) -> tuple[str, list[str]]:
        """So many new people in a new group: its name and their ids."""
        token = f"g{uuid.uuid4().hex[:8]}"
        names = [f"{token}-{n}" for n in range(number)]
        people = [
            {"id": n, "groups": [token], "addresses": {"email": f"{n}@example.org"}} for n in names
        ]
        await recipients.put_many(
            self.system.db, [Recipient.model_validate(person) for person in people]
        )
        return token, names

    async def to_group(self, number: int, **fields: object) -> str:
        """Post a mail to a new group; the notification's id."""
        token, names = await self.group(number)
        body = mail(**{"audience": {"groups": [token]}, **fields})
        return await self.post(body, lambda id_: recipient_ids(id_, names, Channel.EMAIL))

    async def run_of(self, number: int, **changes: object) -> None:
        """The run that a victim of ``campaign`` makes: to a new group."""
        token, names = await self.group(number)
        by_hand = {"job": "by-hand", "controller": f"job-{token}"}
        self._run = {**by_hand, "audience": {"groups": [token]}, **changes}
        id_ = str(new_run(**self._run).id)
        self.expected[id_] = recipient_ids(id_, names, Channel.EMAIL)

    # Account -------------------------------------------------------------------------------------

    async def settled(self) -> None:
        """Wait until all that was asked for is settled, and balance the books."""
        for id_ in self.expected:
            await eventually(partial(self._frozen, id_), 40, 0.1)
        made: set[UUID] = set()
        for id_, expected in self.expected.items():
            made |= await self._made(id_, expected)
        deleted = self._deleted.union(*self.gone.values())
        await self.system.account(*self.expected, expected=made, deleted=deleted)

    async def _made(self, id_: str, expected: set[UUID]) -> set[UUID]:
        """The deliveries of ``id_``, none too many and none too few."""
        db, run = self.system.db, UUID(id_)
        stored = await db.notifications.find_one({"_id": run})
        assert stored is not None
        records = await db.deliveries.find({"notification_id": run}).to_list(None)
        made = {record["_id"] for record in records}
        arrived = self._arrived()
        if "cancelled_at" in stored:
            # Nobody stood who could have sent it.
            assert not sum(arrived[str(delivery)] for delivery in made)
        if "cancelled_at" not in stored or id_ not in self.stopped:
            assert made == expected
        for record in records if stored.get("replays") else ():
            assert record["replays"] == stored["replays"], "it was put back"
            assert arrived[f"{record['_id']}-{record['replays']}"], "and was sent again"
        return made

    def _arrived(self) -> Counter[str]:
        entries = self.ground.sink.entries()
        return Counter(entry.delivery for entry in entries if entry.outcome is Outcome.ACCEPTED)

    async def _frozen(self, id_: str) -> bool:
        shown = await self.system.get(f"/v1/notifications/{id_}")
        assert shown["settled_at"], (shown["status"], shown["reason"], shown["totals"])
        assert sum(shown["totals"].values()) == shown["expected"]
        return True

    async def deleted(self) -> None:
        """Wait until nothing is left of what is to be gone; all of it had arrived before."""
        for id_, deliveries in self.gone.items():
            await eventually(partial(self._nothing, id_), 20, 0.1)
            arrived = self._arrived()
            assert [arrived[str(delivery)] for delivery in deliveries] == [1] * len(deliveries)

    async def _nothing(self, id_: str) -> bool:
        db, wanted = self.system.db, UUID(id_)
        left = await db.deliveries.count_documents({"notification_id": wanted})
        return left + await db.notifications.count_documents({"_id": wanted}) == 0


def _document(answer: httpx2.Response) -> Json:
    assert answer.is_success, answer.text
    document: Json = answer.json()
    return document

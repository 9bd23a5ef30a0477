"""Mails, connections and a relay that does what it likes: who says what of which mail."""

import asyncio
from itertools import chain, cycle, repeat

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.relay_model import GOOD, Books, Choose, ModelRelay

from fogbell.model.outcome import Outcome, Reply
from fogbell_worker.channels.email import session as sessions
from fogbell_worker.channels.email.compose import Mail
from fogbell_worker.channels.email.connection import RelayError
from fogbell_worker.channels.email.outgoing import Outgoing
from fogbell_worker.channels.email.parties import Owner
from fogbell_worker.channels.email.pool import ConnectionPool
from fogbell_worker.channels.email.session import Session
from fogbell_worker.providers.interface import BusyError

FAR = 1e6


class World:
    """A pool whose every connection leads to a model of a relay."""

    def __init__(
        self,
        choose: Choose = GOOD.__getitem__,
        *,
        size: int = 1,
        limit: int = 100,
        pipelining: bool = True,
    ) -> None:
        self.books = Books()
        self.relays: list[ModelRelay] = []
        self.sends: dict[str, asyncio.Task[Reply]] = {}
        self.outgoing: dict[str, Outgoing] = {}
        self.pool = ConnectionPool(self._connect, size=size, idle_seconds=FAR)
        self._choose = choose
        self._limit = limit
        self._pipelining = pipelining

    async def _connect(self, owner: Owner) -> Session:
        await turns(3)
        if self._choose("CONNECT") != GOOD["CONNECT"]:
            raise RelayError(Reply(Outcome.TRANSIENT, reason="relay_refused"))
        made = ModelRelay(self._choose, self.books)
        made.session = Session(made, pipelining=self._pipelining, owner=owner, limit=self._limit)
        self.relays.append(made)
        return made.session

    def mail(self, name: str, text: str = "") -> Outgoing:
        mail = Mail("bell@example.net", f"{name}@example.org", f"Dear {name} {text}\r\n".encode())
        self.outgoing[name] = Outgoing(mail, deadline=FAR, turn_by=FAR)
        return self.outgoing[name]

    def send(self, name: str, text: str = "") -> None:
        self.sends[name] = asyncio.create_task(self.pool.send(self.mail(name, text)))

    async def settle(self) -> None:
        """Let all answers arrive, and whatever they bring about."""
        for _ in range(20):
            await turns()
            for relay in self.relays:
                relay.deliver(len(relay.outbox))

    def outcome(self, name: str) -> Outcome:
        return self.sends[name].result().outcome

    async def close(self) -> None:
        closing = asyncio.create_task(self.pool.close())
        await turns()
        for relay in self.relays:
            relay.lose()
        await closing
        assert (self.pool.in_use, self.pool.idle, self.pool.open) == (0, 0, 0)


async def turns(count: int = 8) -> None:
    """As many turns of the event loop as it takes until nothing moves by itself."""
    for _ in range(count):
        await asyncio.sleep(0)


async def known_to_be_quick(**more: object) -> World:
    """One connection that carried a mail."""
    world = World(**more)  # type: ignore[arg-type]
    world.send("first")
    await world.settle()
    assert world.outcome("first") is Outcome.ACCEPTED
    world.relays[0].writes.clear()
    return world


async def test_a_busy_connection_takes_one_write_a_mail() -> None:
    world = await known_to_be_quick()
    for name in "abcdef":
        world.send(name)
    await world.settle()
    assert [world.outcome(name) for name in "abcdef"] == [Outcome.ACCEPTED] * 6
    assert len(world.relays[0].writes) == 7
    assert world.books.taken == ["first", *"abcdef"]
    await world.close()


async def test_a_mail_in_the_place_of_one_that_was_answered_goes_along() -> None:
    """No mail waits when the answer comes: a lane begins the next one when it hears of it."""
    world = await known_to_be_quick()
    slots = asyncio.Semaphore(2)

    async def one(name: str) -> None:
        await world.pool.send(world.mail(name))
        slots.release()

    async def lane() -> None:
        async with asyncio.TaskGroup() as group:
            for name in "abcdef":
                await slots.acquire()
                group.create_task(one(name))

    running = asyncio.create_task(lane())
    await world.settle()
    await running
    assert len(world.relays[0].writes) == 7
    await world.close()


async def test_a_lone_mail_does_not_wait_for_company() -> None:
    world = await known_to_be_quick()
    world.send("a")
    await turns()
    world.relays[0].deliver(3)
    await turns()
    assert world.books.dots == ["first", "a"]
    await world.settle()
    await world.close()


@pytest.mark.parametrize("why", ["slow", "fresh", "no pipelining", "worn"])
async def test_there_is_no_company(why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the relay takes its time, or is not known yet; where it does not pipeline; and where
    the connection has carried enough."""
    if why == "slow":
        monkeypatch.setattr(sessions, "QUICK", 0.0)
    limit, pipelining = (2 if why == "worn" else 100), why != "no pipelining"
    if why == "fresh":
        world = World()
    else:
        world = await known_to_be_quick(limit=limit, pipelining=pipelining)
    world.send("a")
    world.send("b")
    while "a" not in world.books.dots:
        await turns()
        world.relays[0].deliver(3)
    assert world.relays[0].writes[-1].endswith(b"\r\n.\r\n")
    await world.settle()
    assert world.outcome("b") is Outcome.ACCEPTED
    await world.close()


async def test_a_large_mails_end_is_written_once_the_rest_has_left() -> None:
    world = await known_to_be_quick()
    relay = world.relays[0]
    relay.writable = False
    world.send("big", "x" * 20_000)
    world.send("b")
    await turns()
    relay.deliver(3)
    await turns()
    assert len(relay.writes) == 2
    assert world.books.dots == ["first"]
    relay.writable = True
    assert relay.session is not None
    relay.session.on_writable()
    assert relay.writes[2].startswith(b".\r\nMAIL FROM")
    await world.settle()
    assert world.outcome("b") is Outcome.ACCEPTED
    await world.close()


async def test_who_gives_up_just_before_its_dot_is_not_handed_over() -> None:
    world = await known_to_be_quick()
    world.send("a")
    world.send("b")
    await turns()
    world.sends["a"].cancel()  # its own task has not heard of it yet
    world.relays[0].deliver(3)
    assert world.books.dots == ["first"]
    await world.settle()
    assert world.books.taken == ["first", "b"]
    await world.close()


async def test_what_is_begun_behind_a_dot_and_given_up_is_never_taken_for_the_next_mail() -> None:
    world = await known_to_be_quick()
    for name in "ab":
        world.send(name)
    await turns()
    world.relays[0].deliver(3)
    world.sends["b"].cancel()
    await turns()
    world.send("c")
    await turns()
    world.relays[0].deliver(1)  # a's answer; those to b's envelope come later
    await world.settle()
    assert world.books.taken == ["first", "a", "c"]
    assert (world.outcome("a"), world.outcome("c")) == (Outcome.ACCEPTED, Outcome.ACCEPTED)
    await world.close()


@pytest.mark.parametrize("ending", ["550 no", "250 ok"])
async def test_what_follows_a_refusal_is_not_believed_at_once(ending: str) -> None:
    """A relay that refuses in the middle of a message takes the rest of it for commands: what it
    says of those is not about the mail behind."""
    endings = chain(["250 ok", ending], repeat("250 ok"))
    rcpts = chain(["250 ok", "250 ok", "550 whatever"], repeat("250 ok"))
    given = {".": endings, "RCPT": rcpts}
    world = await known_to_be_quick(
        choose=lambda word: next(given[word]) if word in given else GOOD[word]
    )
    world.send("a")
    world.send("b")
    await world.settle()
    believed = ending.startswith("2")
    assert (world.outcome("b") is Outcome.PERMANENT) is believed
    assert (world.outcome("b") is Outcome.ACCEPTED) is not believed
    await world.close()


async def test_who_waits_in_vain_is_told_that_nothing_was_tried() -> None:
    world = await known_to_be_quick()
    for name in "abc":
        world.send(name)
    await turns()
    world.relays[0].deliver(3)
    await turns()
    for name in "bc":  # behind a's dot, and in the queue
        world.outgoing[name].fail(BusyError())
    await turns()
    assert [type(world.sends[name].exception()) for name in "bc"] == [BusyError] * 2
    await world.settle()
    assert world.outcome("a") is Outcome.ACCEPTED
    assert world.books.dots == ["first", "a"]
    await world.close()


GOOD_OR_NOT = {
    "CONNECT": ["554 no"],
    "MAIL": ["450 later", "550 no", "421 bye", "353 what"],
    "RCPT": ["450 later", "550 no", "421 bye", "353 what"],
    "DATA": ["451 later", "554 no", "421 bye", "250 what"],
    ".": ["451 later", "550 spam", "421 bye", "353 what"],
}
ANSWERS = st.fixed_dictionaries(
    {
        word: st.lists(st.sampled_from([GOOD[word]] * 6 + bad), min_size=20, max_size=20)
        for word, bad in GOOD_OR_NOT.items()
    }
)
ACTS = ["send"] * 5 + ["deliver"] * 8 + ["lose", "cancel", "run_out"]
STEPS = st.lists(
    st.tuples(st.sampled_from(ACTS), st.integers(0, 11), st.integers(1, 5), st.integers(1, 5)),
    min_size=10,
    max_size=60,
)


class Chaos:
    """What may happen to a world, one thing after the other."""

    def __init__(self, world: World) -> None:
        self.world = world

    def send(self, _which: int, _count: int) -> None:
        self.world.send(f"m{len(self.world.sends)}")

    def deliver(self, which: int, count: int) -> None:
        for relay in self.world.relays[which:] or self.world.relays:
            relay.deliver(count)

    def lose(self, which: int, _count: int) -> None:
        for relay in self.world.relays[which : which + 1]:
            relay.lose()

    def cancel(self, which: int, _count: int) -> None:
        for send in list(self.world.sends.values())[-which - 1 :][:1]:
            send.cancel()

    def run_out(self, which: int, _count: int) -> None:
        """What a mail's timer does at ``turn_by``, or at the deadline."""
        for outgoing in list(self.world.outgoing.values())[-which - 1 :][:1]:
            outgoing.fail(TimeoutError() if outgoing.begun else BusyError())


def answered(world: World, name: str) -> None:
    """What was said of a mail agrees with the relay's books."""
    send, dots = world.sends[name], world.books.dots.count(name)
    assert send.done(), f"{name} has no ending"
    assert dots <= 1, f"{name} was handed over again"
    assert (dots == 1) <= world.outgoing[name].handed_over
    if send.cancelled():
        return
    error = send.exception()
    if error is not None:
        assert isinstance(error, (BusyError, TimeoutError, RelayError))
        assert isinstance(error, TimeoutError) or not dots
        return
    outcome, taken = send.result().outcome, name in world.books.taken
    if outcome is Outcome.ACCEPTED:
        assert taken
    elif outcome is not Outcome.AMBIGUOUS:
        assert not taken, f"{name} was taken and is {outcome}"


@settings(max_examples=400)
@given(ANSWERS, STEPS, st.integers(1, 3), st.booleans(), st.integers(1, 6))
async def test_every_mail_has_one_ending_which_is_true_and_none_is_handed_over_twice(
    answers: dict[str, list[str]],
    steps: list[tuple[str, int, int, int]],
    size: int,
    pipelining: bool,
    limit: int,
) -> None:
    endless = {word: cycle(given) for word, given in answers.items()}
    world = World(lambda word: next(endless[word]), size=size, limit=limit, pipelining=pipelining)
    chaos = Chaos(world)
    for act, which, count, pause in steps:
        getattr(chaos, act)(which, count)
        await turns(pause)
    while not all(send.done() for send in world.sends.values()):
        await world.settle()
    for name in world.sends:
        answered(world, name)
    assert world.pool.in_use == 0
    assert world.pool.open == world.pool.idle <= size
    await world.close()

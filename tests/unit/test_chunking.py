"""What an expansion leases together: every delivery in at most one chunk, and no chunk mixed."""

from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

from hypothesis import given
from hypothesis import strategies as st
from tests.support.deliveries import new_delivery

from fogbell.expansion.chunking import LEAST, MOST, chunked, chunks_of
from fogbell.identity import uuid7
from fogbell.model.delivery import Alike, NewDelivery
from fogbell.model.status import Channel, DeliveryStatus, Lane

RUN = uuid7()
kinds = st.tuples(
    st.sampled_from([Channel.EMAIL, Channel.PUSH]),
    st.sampled_from([DeliveryStatus.PENDING] * 3 + [DeliveryStatus.SKIPPED]),
)


def _new(kinds_of: list[tuple[Channel, DeliveryStatus]], lane: Lane) -> list[NewDelivery]:
    return [
        new_delivery(RUN, f"r{n}", channel, lane, status=status)
        for n, (channel, status) in enumerate(kinds_of)
    ]


@given(st.lists(kinds, max_size=3 * MOST))
def test_chunks_are_of_one_channel_pending_and_neither_too_large_nor_too_small(
    kinds_of: list[tuple[Channel, DeliveryStatus]],
) -> None:
    new = _new(kinds_of, Lane.BULK)
    made = chunked(new)
    assert [d.id for d in made] == [d.id for d in new], "nobody is lost, and in their order"
    members: dict[str, list[NewDelivery]] = defaultdict(list)
    for delivery in made:
        if delivery.chunk is not None:
            members[delivery.chunk].append(delivery)
    for chunk in members.values():
        assert LEAST <= len(chunk) <= MOST
        assert len({(d.channel, d.status) for d in chunk}) == 1
        assert chunk[0].status is DeliveryStatus.PENDING
    for channel in (Channel.EMAIL, Channel.PUSH):
        pending = [d for d in made if (d.channel, d.status) == (channel, DeliveryStatus.PENDING)]
        assert sum(d.chunk is None for d in pending) < LEAST, "only a rest is claimed one by one"


def test_what_is_urgent_is_never_in_a_chunk() -> None:
    new = _new([(Channel.EMAIL, DeliveryStatus.PENDING)] * MOST, Lane.TRANSACTIONAL)
    assert chunked(new) == new
    alike = Alike(new[0], [uuid4().bytes] * MOST, ["ann"] * MOST)
    assert list(chunks_of(alike)) == [alike]


def test_what_is_early_is_claimed_by_itself() -> None:
    new = _new([(Channel.EMAIL, DeliveryStatus.PENDING)] * MOST, Lane.BULK)
    early = [replace(delivery, not_before=datetime.now(UTC)) for delivery in new]
    assert chunked(early) == early


@given(st.integers(1, 3 * MOST), st.sampled_from([DeliveryStatus.PENDING, DeliveryStatus.SKIPPED]))
def test_what_is_alike_is_cut_as_the_rest(number: int, status: DeliveryStatus) -> None:
    pattern = new_delivery(RUN, "", lane=Lane.BULK, status=status)
    ids, names = [uuid4().bytes for _ in range(number)], [f"r{n}" for n in range(number)]
    parts = list(chunks_of(Alike(pattern, ids, names)))
    assert [i for part in parts for i in part.ids] == ids
    assert [name for part in parts for name in part.recipients] == names
    leased = [part for part in parts if part.pattern.chunk is not None]
    assert len({part.pattern.chunk for part in leased}) == len(leased)
    wanted = number // MOST + (number % MOST >= LEAST)
    assert len(leased) == (wanted if status is DeliveryStatus.PENDING else 0)

"""Room at receivers: by host and port, for webhooks alone."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.webhooks import webhook_work

from fogbell.model.status import Channel
from fogbell_worker.hosts import Hosts, Turns
from fogbell_worker.settings import BulkBounds, TransactionalBounds


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://a.example/1", "https://a.example/2?x=1", True),
        ("https://a.example/", "https://A.example:443/", True),
        ("http://a.example/", "http://a.example:80/", True),
        ("https://a.example/", "http://a.example/", False),
        ("https://a.example/", "https://a.example:8443/", False),
        ("https://a.example/", "https://b.a.example/", False),
        ("https://[2001:db8::1]/", "https://[2001:db8::1]:443/x", True),
    ],
)
def test_a_receiver_is_a_host_and_port(one: str, other: str, same: bool) -> None:
    hosts = Hosts(1)
    assert hosts.enter(webhook_work(one))
    assert hosts.enter(webhook_work(other)) != same


def test_room_comes_back_with_each_that_leaves() -> None:
    hosts, work = Hosts(2), webhook_work("https://a.example/")
    assert [hosts.enter(work) for _ in range(3)] == [True, True, False]
    hosts.leave(work)
    assert [hosts.enter(work) for _ in range(2)] == [True, False]


def test_nothing_is_bound_but_webhooks() -> None:
    work = webhook_work("https://a.example/")
    email = dataclasses.replace(
        work, delivery=dataclasses.replace(work.delivery, channel=Channel.EMAIL)
    )
    hosts = Hosts(1)
    assert all(hosts.enter(email) for _ in range(5))
    assert all(Hosts(None).enter(work) for _ in range(5))


@given(st.lists(st.sampled_from("abc"), max_size=20), st.integers(1, 4))
async def test_each_work_has_its_turn_or_is_left_and_never_over_the_bound(
    names: list[str], bound: int
) -> None:
    works = [webhook_work(f"https://{name}.example/") for name in names]
    turns = Turns(Hosts(bound), works, 0.0)
    begun = list(turns.at_once())
    while (work := await turns.next()) is not None:
        begun.append(work)
    assert len(begun) + len(turns.left) == len(works)
    assert len(begun) == sum(min(bound, names.count(name)) for name in set(names))


def test_a_quarter_of_the_slots_goes_to_one_host_where_nothing_else_is_said() -> None:
    assert (BulkBounds().sends_per_host, TransactionalBounds().sends_per_host) == (12, 5)
    assert BulkBounds(slots=1).sends_per_host == 2
    assert BulkBounds(per_host=40).sends_per_host == 40

import socket
from collections.abc import Iterable, Sequence
from ipaddress import ip_address, ip_network

import httpcore2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fogbell_worker.http.guard import (
    AddressRefusedError,
    Guard,
    GuardedBackend,
    Network,
    Resolve,
    ResolveError,
    is_public,
)

REFUSED = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "168.63.129.16",
    "::",
    "::1",
    "::7f00:1",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "64:ff9b::7f00:1",
    "64:ff9b::808:808",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:db8::1",
    "2002:7f00:1::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
]
PUBLIC = ["1.1.1.1", "8.8.8.8", "100.63.255.255", "172.32.0.1", "198.17.0.1", "2606:4700::1111"]


class Answers:
    """A resolver that gives the next answer at each call, and the last one for ever."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.calls = 0

    async def __call__(self, _host: str, _port: int) -> Sequence[str]:
        self.calls += 1
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class Recorder(httpcore2.AsyncNetworkBackend):
    """A network that only notes where it was asked to connect, and says that nobody is there."""

    def __init__(self) -> None:
        self.connected: list[tuple[str, int]] = []

    async def connect_tcp(
        self, host: str, port: int, *_: object, **__: object
    ) -> httpcore2.AsyncNetworkStream:
        self.connected.append((host, port))
        raise httpcore2.ConnectError


def guarded(resolve: Resolve, allow: Iterable[Network] = ()) -> tuple[GuardedBackend, Recorder]:
    network = Recorder()
    return GuardedBackend(Guard(resolve, allow), network), network


@pytest.mark.parametrize("address", REFUSED)
async def test_what_is_not_global_unicast_is_refused_before_any_connection(address: str) -> None:
    assert not is_public(ip_address(address))
    backend, network = guarded(Answers([address]))
    with pytest.raises(AddressRefusedError):
        await backend.connect_tcp("host.example", 443)
    assert network.connected == []


@pytest.mark.parametrize("address", PUBLIC)
async def test_a_public_address_is_admitted(address: str) -> None:
    assert await Guard(Answers([address])).admit("host.example", 443) == [address]


@given(st.ip_addresses(v=4))
def test_what_is_refused_beyond_the_standard_librarys_list_is_known(address: object) -> None:
    checked = ip_address(str(address))
    extra = [
        ip_network("168.63.129.16/32"),
        ip_network("192.88.99.0/24"),
        ip_network("224.0.0.0/4"),
    ]
    known = any(checked in network for network in extra)
    narrow = checked in ip_network("192.0.0.0/24")
    assert known or narrow or is_public(checked) == checked.is_global


async def test_one_refused_address_among_public_ones_refuses_the_host() -> None:
    backend, network = guarded(Answers(["1.1.1.1", "10.0.0.1"]))
    with pytest.raises(AddressRefusedError):
        await backend.connect_tcp("host.example", 443)
    assert network.connected == []


async def test_an_allowed_network_is_admitted_and_its_neighbour_is_not() -> None:
    guard = Guard(Answers(["10.1.2.3"], ["10.2.0.1"]), [ip_network("10.1.0.0/16")])
    assert await guard.admit("in.example", 80) == ["10.1.2.3"]
    with pytest.raises(AddressRefusedError):
        await guard.admit("out.example", 80)


async def test_allowing_a_network_does_not_allow_it_inside_ipv6() -> None:
    guard = Guard(Answers(["::ffff:127.0.0.1"]), [ip_network("127.0.0.0/8")])
    with pytest.raises(AddressRefusedError):
        await guard.admit("host.example", 80)


async def test_a_name_that_answers_differently_the_second_time_gains_nothing() -> None:
    resolve = Answers(["1.1.1.1", "9.9.9.9"], ["127.0.0.1"])
    backend, network = guarded(resolve)
    with pytest.raises(httpcore2.ConnectError):
        await backend.connect_tcp("rebinding.example", 443, timeout=1)
    assert network.connected == [("1.1.1.1", 443), ("9.9.9.9", 443)]
    assert resolve.calls == 1
    with pytest.raises(AddressRefusedError):
        await backend.connect_tcp("rebinding.example", 443, timeout=1)


async def test_only_a_few_addresses_of_a_long_answer_are_tried() -> None:
    backend, network = guarded(Answers([f"1.1.1.{n}" for n in range(1, 60)]))
    with pytest.raises(httpcore2.ConnectError):
        await backend.connect_tcp("host.example", 443)
    assert len(network.connected) == 3


async def test_a_port_outside_the_allowed_ones_is_refused_without_a_look_up() -> None:
    resolve = Answers(["1.1.1.1"])
    guard = Guard(resolve, ports=[443])
    with pytest.raises(AddressRefusedError):
        await guard.admit("host.example", 25)
    assert resolve.calls == 0


async def test_a_failed_look_up_is_told_apart_from_a_refusal() -> None:
    async def unknown(_host: str, _port: int) -> Sequence[str]:
        raise socket.gaierror(socket.EAI_NONAME, "no such host")

    for resolve in (unknown, Answers([])):
        with pytest.raises(ResolveError):
            await Guard(resolve).admit("host.example", 443)

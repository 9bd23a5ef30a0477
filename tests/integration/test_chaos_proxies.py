"""The proxies that stand for the network do what is asked of them, whatever passes just then."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.chaos.proxies import HOST, Proxies
from tests.chaos.tools import toxiproxy

CHUNK = bytes(1 << 20)


@dataclass
class Flood:
    """A server that sends without end; ``stuck`` once nobody takes it any more."""

    port: int
    stuck: asyncio.Event


@pytest.fixture
async def flood() -> AsyncIterator[Flood]:
    stuck = asyncio.Event()

    async def send(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                writer.write(CHUNK)
                await asyncio.wait_for(writer.drain(), 0.3)
        except TimeoutError:
            stuck.set()
        except ConnectionError:
            return

    server = await asyncio.start_server(send, HOST, 0)
    async with server:
        yield Flood(server.sockets[0].getsockname()[1], stuck)


async def test_a_connection_that_takes_nothing_does_not_hold_a_fault_up(
    flood: Flood, tmp_path: Path
) -> None:
    with Proxies(toxiproxy(print), tmp_path, patience=1.0) as proxies:
        proxy, other = (proxies.before(name, flood.port) for name in ("flood", "other"))
        stuck, first = await asyncio.open_connection(HOST, proxy.port, limit=1)
        await asyncio.wait_for(flood.stuck.wait(), 20)
        await asyncio.to_thread(other.silence)
        await asyncio.to_thread(proxy.silence)
        assert proxies.renewed == 1
        with pytest.raises(asyncio.IncompleteReadError):
            await stuck.readexactly(1 << 40)  # it was cut
        for each in (proxy, other):
            silent, second = await asyncio.open_connection(HOST, each.port)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(silent.readexactly(1), 0.3)
            await asyncio.to_thread(each.heal)
            healed, third = await asyncio.open_connection(HOST, each.port)
            await asyncio.wait_for(healed.readexactly(1), 5)
            second.close()
            third.close()
        first.close()

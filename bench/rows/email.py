"""``e-mail``: rendered mails of 2 kB, text and HTML, through SMTP to smtp-sink, with records.

``smtp-source`` alone on the same sink is the ceiling: it has no records, and nothing to render.
"""

from functools import partial

from bench import postfix, working
from bench.content import MAIL
from bench.peers.fleet import NAMES, PEERS, Peer
from bench.plot import Plot
from bench.sizes import Sizes
from bench.values import FOGBELL, Aim, Case, Figures, Medians, Row, label, ratio

SOURCE = "smtp-source"


def cases(sizes: Sizes) -> list[Case]:
    """Fogbell, the ceiling, and every peer."""
    found = [
        Case(FOGBELL, label(n), partial(_fogbell, count=sizes.mails, processes=n))
        for n in sizes.workers
    ]
    found.append(Case(SOURCE, "alone", partial(_source, count=sizes.source_mails)))
    for peer in PEERS:
        for n in sizes.workers:
            measure = partial(_peer, peer, count=sizes.mails_peer, processes=n)
            found.append(Case(peer.name, label(n), measure))
    return found


async def _source(plot: Plot, count: int) -> Figures:
    sink = await postfix.start_sink(plot)
    seconds = await postfix.source(plot, sink, count)
    await sink.took(count)
    return {"rate": count / seconds, "seconds": seconds}


async def _fogbell(plot: Plot, count: int, processes: int) -> Figures:
    return await working.fogbell(plot, MAIL, count, processes, await postfix.start_sink(plot))


async def _peer(peer: Peer, plot: Plot, count: int, processes: int) -> Figures:
    return await working.peer(peer, plot, count, processes, await postfix.start_sink(plot))


def aims(medians: Medians) -> list[Aim]:
    """Against the best peer, and against the ceiling."""
    own = medians.best(FOGBELL, "rate")
    peer, ceiling = medians.best_of(NAMES, "rate"), medians.best(SOURCE, "rate")
    return [
        Aim("e-mail: Fogbell / best peer", ratio(own, peer), "times", least=5),
        Aim("e-mail: Fogbell / smtp-source alone", ratio(own, ceiling), "times", least=0.2),
    ]


ROW = Row(
    name="e-mail",
    title="rendered mails of 2 kB through SMTP to smtp-sink, with records",
    figure="rate",
    unit="mails/s",
    cases=cases,
    aims=aims,
    people=lambda sizes: sizes.mails,
    prepare=postfix.provide,
)

"""How much of everything: a full run, and a short form that only shows that all of it works."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sizes:
    """Counts of deliveries, unless they say otherwise.

    Peers get fewer than Fogbell, so that each case takes some seconds: rates are compared, not
    times. ``workers`` are the numbers of processes to try, ``intakes`` those of ``accept``. Its
    triples are a concurrency, a number of posts for Fogbell and one for the handler.
    """

    rounds: int = 3
    workers: tuple[int, ...] = (1, 2)
    expand: int = 200_000
    expand_peer: int = 10_000
    work: int = 60_000
    work_peer: int = 3_000
    mails: int = 40_000
    mails_peer: int = 2_500
    source_mails: int = 200_000
    machine: int = 100_000
    machine_workers: tuple[int, ...] = (1, 2)
    accept: tuple[tuple[int, int, int], ...] = (
        (1, 500, 500),
        (32, 6_000, 3_000),
        (256, 10_000, 4_000),
    )
    intakes: tuple[int, ...] = (1, 2)
    isolation_bulk: int = 200_000
    isolation_posts: int = 500
    streams: int = 1_000
    inbox_posts: int = 1_000
    growth: tuple[int, ...] = (10_000, 100_000, 1_000_000)
    stored: tuple[int, ...] = (10_000, 1_000_000, 5_000_000)
    sweeps: int = 10
    due: int = 1_000


FULL = Sizes()
SHORT = Sizes(
    rounds=1,
    workers=(1,),
    expand=300,
    expand_peer=50,
    work=300,
    work_peer=50,
    mails=300,
    mails_peer=50,
    source_mails=500,
    machine=300,
    machine_workers=(1,),
    accept=((32, 100, 50),),
    intakes=(2,),
    isolation_bulk=1_000,
    isolation_posts=20,
    streams=20,
    inbox_posts=40,
    growth=(100, 300),
    stored=(100, 300),
    sweeps=2,
    due=50,
)

"""Python's collector of cycles, set for a process that makes and frees much and keeps little."""

import gc

COLLECT_EVERY = 10_000
"""Objects made and not freed until the youngest are looked at for cycles."""

OLDER_EVERY = 20
"""Looks at one generation before the next older one is looked at, too: a cycle that has outlived
one look waits for 200,000 objects."""


def spare_the_collector() -> None:
    """Leave what is loaded by now out of every collection, and collect less often.

    To be called once all is imported, what makes spans included. With Python's defaults (every 700
    objects, and the whole heap again and again) a fifth of what a post or a delivery cost went into
    looks for cycles. What they leave behind in cycles is small, and can wait.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_EVERY, OLDER_EVERY, OLDER_EVERY)

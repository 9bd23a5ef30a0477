"""``fogbell demo``: a thousand people, faults on purpose, and a proof that nothing was lost."""

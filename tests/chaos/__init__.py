"""Chaos: the real system under load, faults that a seed draws, and an account at the end.

``python -m tests.chaos`` runs it, see ``--help``; docs/testing.md says what it does.
"""

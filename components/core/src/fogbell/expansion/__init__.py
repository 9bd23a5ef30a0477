"""Turning a notification's audience into deliveries: the same rules for one person and a million.

`plan` holds the rules and is pure; `expander` walks an audience under a lease.
"""

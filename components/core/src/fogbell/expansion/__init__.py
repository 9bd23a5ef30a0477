"""Turning a notification's audience into deliveries: the same rules for one person and a million.

`plan` holds the rules and is pure; `audience` walks the people; `expander` does so under a lease.
"""

"""HTTP to the outside: guarded connections, one exchange at a time, every ending a value."""

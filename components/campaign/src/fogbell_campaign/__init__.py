"""Fogbell's runner: begins one run of a Campaign, expands it, then exits."""

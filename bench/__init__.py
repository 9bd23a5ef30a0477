"""Fogbell and its peers on the same work, on the same machine, beside each other."""

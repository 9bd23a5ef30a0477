"""Fogbell's shared ground: the model, the protocol and what talks to the servers."""

__version__ = "0.1.0"

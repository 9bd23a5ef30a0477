"""Fogbell's shared ground: the model, the protocol and what talks to the servers."""

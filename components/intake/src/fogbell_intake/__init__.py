"""Fogbell's HTTP interface: posts, progress, recipients, templates, keys, inbox."""

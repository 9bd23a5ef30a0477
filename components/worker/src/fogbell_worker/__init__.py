"""Fogbell's worker: claims deliveries, sends them, records what came of it."""

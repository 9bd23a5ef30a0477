"""Fogbell's shared ground: model, policy, identity, store, broker, rendering, settings, telemetry."""

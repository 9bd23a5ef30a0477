"""What operators see: logs, metrics and probes."""

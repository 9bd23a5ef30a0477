"""Fogbell's operator: turns each Campaign into a CronJob and keeps its status."""

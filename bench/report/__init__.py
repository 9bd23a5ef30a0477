"""From a run's JSON to a page with plots."""

"""What a team would write with a task queue, for the same durable work that Fogbell does."""

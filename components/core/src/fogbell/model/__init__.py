"""What Fogbell talks about: statuses, outcomes, addresses and the records that carry them."""

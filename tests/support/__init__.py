"""What tests share: real servers, waiting, queues."""

"""The push channels: each package here turns one claimed delivery into one attempt."""

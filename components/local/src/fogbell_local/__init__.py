"""The whole of Fogbell on one machine, and the command line client."""

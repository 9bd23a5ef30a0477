"""The command line client: everything it does goes through the HTTP interface."""

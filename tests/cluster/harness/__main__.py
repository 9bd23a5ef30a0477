"""``python -m tests.cluster.harness up|down|load``: what `make cluster` and its like call."""

import argparse
import sys

from tests.cluster.harness.cluster import open_cluster
from tests.cluster.harness.running import HarnessError, say


def main() -> int:
    """Do what was asked; 1 with a sentence where it cannot be done."""
    parser = argparse.ArgumentParser(prog="python -m tests.cluster.harness", description=__doc__)
    parser.add_argument("command", choices=("up", "down"))
    asked = parser.parse_args()
    try:
        cluster = open_cluster()
        if asked.command == "down":
            cluster.stop()
            say("gone")
        elif cluster.running:
            say(f"runs already: KUBECONFIG={cluster.state.kubeconfig}")
        else:
            cluster.start()
    except HarnessError as error:
        say(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

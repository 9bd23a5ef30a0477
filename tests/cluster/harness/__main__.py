"""``python -m tests.cluster.harness up|down|prepare``: what `make cluster` and its like call."""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.cluster.harness import images, kind, tools
from tests.cluster.harness.cluster import open_cluster
from tests.cluster.harness.earlier import EARLIER, unpack_earlier
from tests.cluster.harness.places import COMPONENTS, foreign_kubeconfig
from tests.cluster.harness.running import HarnessError, say


def up() -> None:
    """Start the cluster, unless it runs."""
    if kind.available():
        say(f"KUBECONFIG={kind.start()}")
        return
    cluster = open_cluster()
    if cluster.running:
        say(f"runs already: KUBECONFIG={cluster.state.kubeconfig}")
    else:
        cluster.start()


def down() -> None:
    """Take it down to the last mount."""
    if kind.available():
        kind.stop()
        return
    open_cluster().stop()
    say("gone")


def prepare() -> None:
    """Have all that the tests need built before they begin: none of their time is for that."""
    if foreign_kubeconfig() or kind.available():
        return
    tools.provide()
    tools.helm4()
    tools.gateway_api()
    images.service_archives()
    with tempfile.TemporaryDirectory() as folder:
        earlier = unpack_earlier(Path(folder))
        for component in COMPONENTS:
            images.build(component)
            images.build(component, earlier, EARLIER)


COMMANDS = {"up": up, "down": down, "prepare": prepare}


def main() -> int:
    """Do what was asked; 1 with a sentence where it cannot be done."""
    parser = argparse.ArgumentParser(prog="python -m tests.cluster.harness", description=__doc__)
    parser.add_argument("command", choices=COMMANDS)
    try:
        COMMANDS[parser.parse_args().command]()
    except HarnessError as error:
        say(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""``python -m tests.cluster.harness up|down|images|prepare``: what `make cluster` calls."""

import argparse
import shlex
import sys
import tempfile
from pathlib import Path

from tests.cluster.harness import images, kind, tools
from tests.cluster.harness.cluster import open_cluster
from tests.cluster.harness.earlier import EARLIER, unpack_earlier
from tests.cluster.harness.places import COMPONENTS, foreign_kubeconfig
from tests.cluster.harness.running import say
from tests.support.alertmanager import alertmanager
from tests.support.commands import ToolError

from fogbell_local.servers import ServerError


def up() -> None:
    """Start the cluster, unless it runs."""
    if kind.available():
        _show_use(kind.start())
        return
    cluster = open_cluster()
    if cluster.running:
        say("runs already")
    else:
        cluster.start()
    _show_use(cluster.state.kubeconfig, cluster.tools.kubectl.parent, cluster.tools.helm.parent)


def _show_use(kubeconfig: Path, *programs: Path) -> None:
    """The line that a shell needs, on standard output: whole, to be copied as it stands."""
    path = "".join(f"{folder}:" for folder in programs)
    more = f' PATH="{path}$PATH"' if programs else ""
    sys.stdout.write(f"export KUBECONFIG={kubeconfig}{more}\n")


def down() -> None:
    """Take it down to the last mount."""
    if kind.available():
        kind.stop()
        return
    open_cluster().stop()
    say("gone")


def load() -> None:
    """Have the images in the running cluster that tests/chart/values/cluster.yaml names."""
    if kind.available():
        kind.start()
        kind.load_components(*COMPONENTS)
        say(f"the images are there. Give helm besides: {shlex.join(kind.OFFICIAL_SERVERS)}")
        return
    cluster = open_cluster()
    if not cluster.running:
        raise ToolError("no cluster runs here: start one with 'make cluster'")
    cluster.images.load_services()
    cluster.images.load_components(*COMPONENTS)
    say("the images are there: docs/testing.md says how to install Fogbell with them")


def prepare() -> None:
    """Have all that the tests need built before they begin: none of their time is for that."""
    if foreign_kubeconfig() or kind.available():
        return
    tools.provide()
    tools.helm4()
    tools.gateway_api()
    tools.prometheus()
    alertmanager(say)
    tools.monitoring_api()
    images.service_archives()
    with tempfile.TemporaryDirectory() as folder:
        earlier = unpack_earlier(Path(folder))
        for component in COMPONENTS:
            images.build(component)
            images.build(component, earlier, EARLIER)


COMMANDS = {"up": up, "down": down, "images": load, "prepare": prepare}


def main() -> int:
    """Do what was asked; 1 with a sentence where it cannot be done."""
    parser = argparse.ArgumentParser(prog="python -m tests.cluster.harness", description=__doc__)
    parser.add_argument("command", choices=COMMANDS)
    try:
        COMMANDS[parser.parse_args().command]()
    except (ToolError, ServerError) as error:
        say(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

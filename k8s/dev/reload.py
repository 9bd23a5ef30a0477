"""Runs a component from modules that may change, and anew each time it is told SIGHUP.

For `tilt up` alone: the Tiltfile puts this text in front of an image's own program, as
``python3 -c TEXT PROGRAM``, and copies what was edited into LIVE. The image stays as it is in
production: its root is read-only and not owned by the process, so LIVE is a copy that is.
A program that ends by itself (a syntax error, say) is started again by the next change; until then
its liveness probe fails, and in the end Kubernetes starts the container anew.
"""

import os
import shutil
import signal
import sys
import sysconfig
from pathlib import Path

LIVE = Path("/tmp/live")  # noqa: S108 - a volume of the pod's own is mounted at /tmp
ENDING = {signal.SIGTERM, signal.SIGINT}
AWAITED = ENDING | {signal.SIGHUP, signal.SIGCHLD}


def copy_modules(installed: Path, live: Path) -> None:
    """Copy Fogbell's own packages; what is there already was edited, or copied before."""
    for package in installed.glob("fogbell*"):
        if not package.name.endswith(".dist-info"):
            target = live / package.name
            shutil.copytree(package, target, dirs_exist_ok=True, copy_function=copy_missing)


def copy_missing(source: str, target: str) -> None:
    """Copy a file to where there is none."""
    if not Path(target).exists():
        shutil.copy2(source, target)


def start(program: list[str], live: Path) -> int:
    """Start ``program`` with the modules of ``live`` before those installed; its process id."""
    environment = {**os.environ, "PYTHONPATH": str(live)}
    return os.posix_spawnp(program[0], program, environment, setsigmask=())


def serve(program: list[str], live: Path) -> int:
    """Run ``program`` until this process is told to end; the exit status that it ended with."""
    signal.pthread_sigmask(signal.SIG_BLOCK, AWAITED)  # they wait here, and none is lost
    running: int | None = start(program, live)
    while True:
        told = signal.sigwait(AWAITED)
        if told == signal.SIGCHLD:
            if running and (ended := os.waitpid(running, os.WNOHANG)) != (0, 0):
                running = None
                say(f"ended with status {os.waitstatus_to_exitcode(ended[1])}: waits for a change")
            continue
        status = end(running) if running else 0
        if told in ENDING:
            return status
        say("starts anew")
        running = start(program, live)


def end(running: int) -> int:
    """End a process as Kubernetes would, and wait for it."""
    os.kill(running, signal.SIGTERM)
    return os.waitstatus_to_exitcode(os.waitpid(running, 0)[1])


def say(text: str) -> None:
    """Tell whoever reads the log."""
    sys.stderr.write(f"reload: {text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    copy_modules(Path(sysconfig.get_path("purelib")), LIVE)
    sys.exit(serve(sys.argv[1:], LIVE))

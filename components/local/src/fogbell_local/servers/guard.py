"""A guardian process: it starts one program, and ends it when its own starter is gone.

Run as a script, by path and with the standard library only, so that it starts in a few
milliseconds: ``python -I -S guard.py LOG [--after ARG]... -- COMMAND...``. Its standard input is a
pipe whose other end only the starter holds: end of file there means that the starter has closed it
or died, kill -9 included, and the program's whole process group is killed. ``prctl``'s parent death
signal would not do: it follows the thread that forked, and is lost over a shell script's children.

It prints the program's pid, and exits as the program did. ``--after`` gives a command to run at the
end, for what a signal does not reach (a container).
"""

import os
import signal
import subprocess
import sys
import threading


def main(arguments: list[str]) -> int:
    """Run the command until it ends or the lifeline closes; return its exit status."""
    split = arguments.index("--")
    log, after, command = arguments[0], arguments[1:split], arguments[split + 1 :]
    after = [argument.removeprefix("--after=") for argument in after]
    with open(log, "ab") as output:  # noqa: PTH123 (pathlib costs more to import than all the rest)
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: _kill_group(child.pid))
    os.write(1, f"{child.pid}\n".encode())
    threading.Thread(target=_watch_lifeline, args=(child.pid,), daemon=True).start()
    # Not reaped yet: until then the group's number cannot belong to somebody else.
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    _kill_group(child.pid)
    status = child.wait()
    if after:
        subprocess.run(after, check=False, capture_output=True)
    return status if status >= 0 else 128 - status


def _watch_lifeline(group: int) -> None:
    while os.read(0, 64):
        pass
    _kill_group(group)


def _kill_group(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return  # it is gone, which is what was asked


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    os._exit(code)  # the lifeline's thread may still be reading

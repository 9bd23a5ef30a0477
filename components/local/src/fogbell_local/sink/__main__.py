"""``python -m fogbell_local.sink``: see ``--help``. Prints its ports as JSON when it is ready."""

import argparse
import asyncio
import functools
import json
import signal
from pathlib import Path

import uvloop

from fogbell_local.sink import ledger, webhook
from fogbell_local.sink.refusal import Refusals
from fogbell_local.sink.smtp import Answering, SmtpConnection

HOST = "127.0.0.1"


def main() -> None:
    """Entry point of the process."""
    uvloop.run(_run(_arguments()))  # twice as fast as asyncio's own loop here


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m fogbell_local.sink", description=__doc__)
    parser.add_argument("--log", type=Path, required=True, help="the ledger, appended to")
    parser.add_argument("--port", type=int, default=0, help="SMTP; 0 takes a free one")
    parser.add_argument("--webhook-port", type=int, default=0, help="HTTP; 0 takes a free one")
    parser.add_argument("--refuse-fraction", type=float, default=0.0, help="of mails, once each")
    parser.add_argument("--refuse-code", type=int, default=451)
    parser.add_argument("--delay", type=float, default=0.0, help="seconds before each reply")
    parser.add_argument("--port-file", type=Path, help="where the ports are written when ready")
    return parser.parse_args()


async def _run(arguments: argparse.Namespace) -> None:
    loop = asyncio.get_running_loop()
    refusals = Refusals.resume(arguments.refuse_fraction, ledger.read(arguments.log))
    writer = ledger.Writer(arguments.log)
    answering = Answering(writer, refusals, arguments.refuse_code, arguments.delay)
    mails = await loop.create_server(
        functools.partial(SmtpConnection, answering), HOST, arguments.port
    )
    hooks = await asyncio.start_server(
        functools.partial(webhook.serve, answering), HOST, arguments.webhook_port
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, writer.failed.cancel)
    _announce({"smtp": _port(mails), "webhook": _port(hooks)}, arguments.port_file)
    try:
        await writer.failed
    except asyncio.CancelledError:
        print("ended", flush=True)


def _port(server: asyncio.Server) -> int:
    port: int = server.sockets[0].getsockname()[1]
    return port


def _announce(ports: dict[str, int], file: Path | None) -> None:
    print(json.dumps(ports), flush=True)
    if file is not None:
        draft = file.with_suffix(".draft")
        draft.write_text(json.dumps(ports))
        draft.replace(file)  # whoever waits for the file never reads half of it


if __name__ == "__main__":
    main()

"""``python -m fogbell_local.sink``: see ``--help``. Prints its ports as JSON when it is ready."""

import argparse
import asyncio
import functools
import json
import os
import signal
from pathlib import Path

import uvloop

from fogbell_local.sink import http, ledger, providers, webhook
from fogbell_local.sink.answering import Answering
from fogbell_local.sink.push import TokenServer
from fogbell_local.sink.refusal import Outage, Refusals
from fogbell_local.sink.smtp import SmtpConnection

HOST = "127.0.0.1"


def main() -> None:
    """Entry point of the process."""
    uvloop.run(_run(_arguments()))  # twice as fast as asyncio's own loop here


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m fogbell_local.sink", description=__doc__)
    parser.add_argument("--log", type=Path, required=True, help="the ledger, appended to")
    parser.add_argument("--host", default=HOST, help="the address to listen on")
    parser.add_argument("--port", type=int, default=0, help="SMTP; 0 takes a free one")
    parser.add_argument("--webhook-port", type=int, default=0, help="HTTP; 0 takes a free one")
    parser.add_argument("--providers-port", type=int, default=0, help="HTTP; 0 takes a free one")
    parser.add_argument("--service-account", type=Path, help="its key file: who may send pushes")
    parser.add_argument("--outage", type=Outage.parse, help="PROVIDER:AFTER:LASTS, in messages")
    parser.add_argument("--refuse-fraction", type=float, default=0.0, help="of mails, once each")
    parser.add_argument("--refuse-code", type=int, default=451)
    parser.add_argument("--webhook-fraction", type=float, default=0.0, help="503, once each")
    parser.add_argument("--cut-fraction", type=float, default=0.0, help="taken, not answered")
    parser.add_argument("--silent-fraction", type=float, default=0.0, help="neither")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds before each reply")
    parser.add_argument("--port-file", type=Path, help="where the ports are written when ready")
    return parser.parse_args()


async def _run(arguments: argparse.Namespace) -> None:
    loop = asyncio.get_running_loop()
    refusals = Refusals.resume(
        arguments.refuse_fraction,
        ledger.read(arguments.log),
        arguments.outage,
        arguments.webhook_fraction,
    )
    writer = ledger.Writer(arguments.log)
    answering = Answering(
        writer,
        refusals,
        arguments.refuse_code,
        arguments.delay,
        arguments.cut_fraction,
        arguments.silent_fraction,
    )
    mails = await loop.create_server(
        functools.partial(SmtpConnection, answering), arguments.host, arguments.port
    )
    hooks = await _serve(
        functools.partial(webhook.answer, answering), arguments.host, arguments.webhook_port
    )
    tokens = TokenServer(arguments.service_account or Path(os.devnull))
    phones = await _serve(
        functools.partial(providers.answer, answering, tokens),
        arguments.host,
        arguments.providers_port,
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, writer.failed.cancel)
    ports = {"smtp": _port(mails), "webhook": _port(hooks), "providers": _port(phones)}
    _announce(ports, arguments.port_file)
    try:
        await writer.failed
    except asyncio.CancelledError:
        print("ended", flush=True)


async def _serve(answer: http.Answer, host: str, port: int) -> asyncio.Server:
    return await asyncio.start_server(functools.partial(http.serve, answer), host, port)


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

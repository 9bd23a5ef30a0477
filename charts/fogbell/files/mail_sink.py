"""Takes every mail and writes it to its log, one JSON object a line. For dev.enabled alone.

``mail_sink.py PORT``. Enough of SMTP for a relay's client: pipelining, 8BITMIME, no TLS, no login.
"""

import asyncio
import json
import signal
import sys
from email import message_from_bytes
from email.policy import default

LONGEST_LINE = 1 << 20
OK = b"250 2.0.0 Ok"
ANSWERS = {
    b"EHLO": b"250-fogbell-mail\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SMTPUTF8",
    b"QUIT": b"221 2.0.0 Bye",
    **dict.fromkeys((b"HELO", b"MAIL", b"RCPT", b"DATA", b"RSET", b"NOOP"), OK),
}


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One client, until it leaves."""
    writer.write(b"220 fogbell-mail ESMTP\r\n")
    try:
        await talk(reader, writer)
    except (ConnectionError, asyncio.IncompleteReadError):
        pass  # the client has gone
    finally:
        writer.close()


async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Command by command, until QUIT or the end."""
    sender, recipients = "", list[str]()
    while line := await reader.readline():
        verb = line[:4].upper()
        if verb == b"MAIL":
            sender, recipients = path(line), []
        elif verb == b"RCPT":
            recipients.append(path(line))
        elif verb == b"DATA":
            writer.write(b"354 Go on\r\n")
            await writer.drain()
            show(sender, recipients, await content(reader))
        writer.write(ANSWERS.get(verb, b"502 5.5.1 Not known here") + b"\r\n")
        await writer.drain()
        if verb == b"QUIT":
            return


def path(line: bytes) -> str:
    """The address between the brackets of MAIL FROM or RCPT TO."""
    return line.partition(b"<")[2].partition(b">")[0].decode(errors="replace")


async def content(reader: asyncio.StreamReader) -> bytes:
    """A mail up to its final dot, its doubled dots undone (RFC 5321, 4.5.2)."""
    lines = []
    while (line := await reader.readline()) != b".\r\n":
        if not line:
            raise asyncio.IncompleteReadError(b"", None)
        lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
    return b"".join(lines)


def show(sender: str, recipients: list[str], raw: bytes) -> None:
    """One line a mail."""
    mail = message_from_bytes(raw, policy=default)
    body = mail.get_body(("plain", "html"))
    line = {
        "from": sender,
        "to": recipients,
        "subject": str(mail["subject"]),
        "message_id": str(mail["message-id"]),
        "text": body.get_content()[:1000] if body else "",
    }
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


async def main() -> None:
    """Serve until the pod ends."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await asyncio.start_server(serve, "", int(sys.argv[1]), limit=LONGEST_LINE)
    await stop.wait()


if __name__ == "__main__":
    asyncio.run(main())

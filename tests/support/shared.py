"""One MongoDB and one RabbitMQ for a whole test run, however many processes it has.

The process that controls the run starts a server when the first test asks for it, and ends it with
the run. Under pytest-xdist the workers ask over a socket: ``mongodb`` or ``rabbitmq`` and a line
feed, answered by the address, or by ``!`` and the error.
"""

import shutil
import socket
import socketserver
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from fogbell_local.servers import MongoServer, RabbitServer, ServerError

Ask = Callable[[str], str]


class SharedServers:
    """Starts each server once, when it is first asked for."""

    def __init__(self) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="fogbell-tests-"))
        self._locks = {"mongodb": threading.Lock(), "rabbitmq": threading.Lock()}
        self._servers: dict[str, MongoServer | RabbitServer] = {}
        self._listener: socketserver.ThreadingUnixStreamServer | None = None

    def uri(self, name: str) -> str:
        """The address of ``mongodb`` or ``rabbitmq``, started now if need be."""
        with self._locks[name]:
            if name not in self._servers:
                kind = MongoServer if name == "mongodb" else RabbitServer
                self._servers[name] = kind.find(self._directory / name)
            return self._servers[name].uri

    def listen(self) -> str:
        """Serve other processes of this run; the socket's path."""
        path = str(self._directory / "ask")
        if self._listener is None:
            self._listener = socketserver.ThreadingUnixStreamServer(path, self._handler())
            threading.Thread(target=self._listener.serve_forever, daemon=True).start()
        return path

    def close(self) -> None:
        """End what was started, and delete its data."""
        if self._listener is not None:
            self._listener.shutdown()
            self._listener.server_close()
        for server in self._servers.values():
            server.discard()
        shutil.rmtree(self._directory, ignore_errors=True)

    def _handler(self) -> type[socketserver.StreamRequestHandler]:
        shared = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                try:
                    answer = shared.uri(self.rfile.readline().decode().strip())
                except ServerError as error:
                    answer = f"!{error}"
                self.wfile.write(answer.encode())

        return Handler


def ask(path: str, name: str) -> str:
    """Ask the controlling process, from a worker."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        connection.sendall(f"{name}\n".encode())
        with connection.makefile("rb") as answer:
            uri = answer.read().decode()
    if not uri or uri.startswith("!"):
        raise ServerError(uri[1:] or f"the run's controller could not provide {name}")
    return uri

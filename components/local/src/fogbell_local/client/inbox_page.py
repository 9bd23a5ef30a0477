"""The example page of the inbox, served to this machine's browsers as it stands in docs/examples.

A page needs a server: browsers load no modules from files.
"""

from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from fogbell_local.environment import HOST

PAGE = Path(__file__).parents[5] / "docs" / "examples" / "inbox"
"""In the repository, which an editable installation lies in."""


class _Handler(SimpleHTTPRequestHandler):
    """Files, without a word about each; a change is seen at the next reload."""

    def end_headers(self) -> None:
        """As its base's, with one header more."""
        self.send_header("Cache-Control", "no-store")
        super().end_headers()

    def log_message(self, *_: Any) -> None:
        """Keep quiet."""


def server(port: int = 0) -> ThreadingHTTPServer:
    """A server of the page on loopback, to be run by ``serve_forever``; port 0 takes a free one.

    Raises OSError where the port cannot be used.
    """
    return ThreadingHTTPServer((HOST, port), partial(_Handler, directory=str(PAGE)))


def origin(serving: ThreadingHTTPServer) -> str:
    """What a browser names as the page's origin."""
    return f"http://{HOST}:{serving.server_port}"


def address(serving: ThreadingHTTPServer, url: str, token: str) -> str:
    """Where the page opens an inbox of the Fogbell at ``url``.

    Both stand in the fragment, which browsers keep to themselves.
    """
    return f"{origin(serving)}/#{urlencode({'url': url, 'token': token})}"

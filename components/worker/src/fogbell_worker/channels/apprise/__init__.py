"""Chats and other services, through the library Apprise and the URLs that it knows.

`AppriseProvider` decides, `threads` bounds what runs, `urls` says which URLs are taken, and
`library` is all that touches Apprise: importing it takes a second and 30 MB, so only a worker that
serves the channel does.
"""

from fogbell_worker.channels.apprise.provider import AppriseProvider
from fogbell_worker.channels.apprise.settings import AppriseSettings

__all__ = ["AppriseProvider", "AppriseSettings"]

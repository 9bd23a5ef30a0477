"""What an operator may set about the inbox."""

from typing import Annotated

from pydantic import Field

from fogbell.settings import Group

Origin = Annotated[str, Field(pattern=r"^(\*|https?://[A-Za-z0-9.:\[\]-]+)$")]


class InboxSettings(Group):
    """Settings of the inbox, ``FOGBELL_INBOX__<NAME>``; lists are written as JSON.

    The secrets that sign tokens are ``FOGBELL_INBOX_TOKEN_SECRET``.
    """

    token_seconds: int = Field(default=3600, ge=1, le=86_400)
    """For how many seconds a recipient's token opens the inbox. A token cannot be taken back."""

    cors_origins: list[Origin] = Field(default_factory=list)
    """Origins of web pages that may ask ``/v1/inbox`` from a browser, such as
    ``["https://app.example.org"]``. Empty: none but pages of intake's own origin."""

    heartbeat_seconds: float = Field(default=15.0, gt=0, le=300)
    """Seconds of silence after which a stream sends a comment: shorter than the idle timeout of
    every proxy in between."""

    poll_seconds: float = Field(default=30.0, gt=0, le=3600)
    """Seconds after which a stream looks for items whose event was lost; while RabbitMQ is away,
    this is how late a live item may be."""

    queue_bytes: int = Field(default=262_144, ge=1)
    """Bytes of new items that wait for one slow client. What does not fit is read again from
    MongoDB as fast as the client takes it."""

    write_timeout_seconds: float = Field(default=30.0, gt=0, le=3600)
    """Seconds that a client may take nothing before its stream is cut; it can resume."""

    max_streams: int = Field(default=5_000, ge=1)
    """Streams that one process holds open."""

    max_streams_per_recipient: int = Field(default=20, ge=1)
    """Of these, streams for one recipient: their devices and tabs."""

"""What the worker is told, by environment variables (see `fogbell.settings`)."""

from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import NoDecode

from fogbell.model.status import PUSH_CHANNELS, Channel, Lane
from fogbell.settings import Group, Settings
from fogbell_worker.channels.email.settings import EmailSettings
from fogbell_worker.channels.push.settings import PushSettings
from fogbell_worker.channels.sms.settings import SmsSettings
from fogbell_worker.channels.webhook.settings import WebhookSettings

ALWAYS_ON = frozenset({Channel.EMAIL, Channel.WEBHOOK})
"""What a worker serves that was told nothing; the others join once they are configured."""

_NEEDS = {
    Channel.EMAIL: "FOGBELL_EMAIL__URL and FOGBELL_EMAIL__FROM_ADDRESS",
    Channel.SMS: (
        "FOGBELL_SMS__ACCOUNT_SID, FOGBELL_SMS__AUTH_TOKEN, and FOGBELL_SMS__SENDER or"
        " FOGBELL_SMS__MESSAGING_SERVICE_SID"
    ),
    Channel.PUSH: (
        "FOGBELL_PUSH__FCM_CREDENTIALS_FILE, or FOGBELL_PUSH__VAPID_PRIVATE_KEY and"
        " FOGBELL_PUSH__VAPID_SUBJECT"
    ),
    Channel.APPRISE: "FOGBELL_APPRISE__SCHEMES",
}


class LaneBounds(Group):
    """What bounds one lane of each channel in this process."""

    slots: int = Field(ge=1, le=10_000)
    """Sends at once."""

    batches: int = Field(ge=1, le=100)
    """Claims at once."""

    prefetch: int = Field(ge=1, le=10_000)
    """Messages held unacknowledged."""


class TransactionalBounds(LaneBounds):
    """``FOGBELL_TRANSACTIONAL__SLOTS`` and so on: many small claims at once."""

    slots: int = Field(default=20, ge=1, le=10_000)
    batches: int = Field(default=8, ge=1, le=100)
    prefetch: int = Field(default=64, ge=1, le=10_000)


class BulkBounds(LaneBounds):
    """``FOGBELL_BULK__SLOTS`` and so on: few large claims at once."""

    slots: int = Field(default=50, ge=1, le=10_000)
    batches: int = Field(default=2, ge=1, le=100)
    prefetch: int = Field(default=4, ge=1, le=10_000)


class WorkerSettings(Settings):
    """Settings of the worker component."""

    channels: Annotated[frozenset[Channel], NoDecode] = ALWAYS_ON
    """``FOGBELL_CHANNELS=email,webhook``: what this process serves. Where it is not set, a channel
    whose own settings are there is served besides."""

    lanes: Annotated[frozenset[Lane], NoDecode] = frozenset(Lane)
    """``FOGBELL_LANES=transactional``: a pool per lane keeps them apart altogether."""

    expand: bool = True
    """Whether this process expands large audiences."""

    claim_batch: int = Field(default=200, ge=1, le=1000)
    """Ids a claim, at most."""

    transactional: TransactionalBounds = TransactionalBounds()
    """Reserved: bulk never takes these."""

    bulk: BulkBounds = BulkBounds()

    shutdown_seconds: float = Field(default=40, gt=0)
    """How long sends under way may take after SIGTERM; then their leases end them."""

    email: EmailSettings | None = None
    """Needed for the e-mail channel: ``FOGBELL_EMAIL__URL``, ``FOGBELL_EMAIL__FROM_ADDRESS``."""

    webhook: WebhookSettings = WebhookSettings()

    sms: SmsSettings | None = None
    """Needed for the SMS channel: ``FOGBELL_SMS__ACCOUNT_SID`` and others."""

    push: PushSettings | None = None
    """Needed for the push channel: ``FOGBELL_PUSH__FCM_CREDENTIALS_FILE``, or the two of VAPID."""

    @model_validator(mode="before")
    @classmethod
    def _configured_join(cls, values: dict[str, object]) -> dict[str, object]:
        if "channels" in values:
            return values
        joining = {channel for channel in PUSH_CHANNELS - ALWAYS_ON if values.get(channel.value)}
        return {**values, "channels": ALWAYS_ON | joining}

    @field_validator("channels", "lanes", mode="before")
    @classmethod
    def _words(cls, value: object) -> object:
        return [word.strip() for word in value.split(",")] if isinstance(value, str) else value

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if not self.channels or not self.lanes:
            raise ValueError("expected at least one channel and one lane")
        if Channel.INBOX in self.channels:
            raise ValueError(f"expected FOGBELL_CHANNELS among {', '.join(sorted(PUSH_CHANNELS))}")
        for channel in sorted(self.channels):
            if self._group(channel) is None:
                raise ValueError(
                    f"the channel '{channel}' needs {_NEEDS[channel]};"
                    f" leave '{channel}' out of FOGBELL_CHANNELS if this worker shall not serve it"
                )
        return self._lease_is_long_enough()

    def _lease_is_long_enough(self) -> Self:
        longest = max(self.send_timeouts().values())
        needed = longest + self.protocol.lease_margin_seconds
        if self.protocol.lease_seconds <= needed:
            raise ValueError(
                f"expected FOGBELL_PROTOCOL__LEASE_SECONDS above {needed:g}: the longest send"
                f" timeout ({longest:g}) and the margin, or no send could ever start"
            )
        return self

    def send_timeouts(self) -> dict[Channel, float]:
        """The send timeout of each channel served, in seconds."""
        groups = {channel: self._group(channel) for channel in self.channels}
        return {channel: group.send_timeout for channel, group in groups.items() if group}

    def _group(
        self, channel: Channel
    ) -> EmailSettings | WebhookSettings | SmsSettings | PushSettings | None:
        groups = {
            Channel.EMAIL: self.email,
            Channel.WEBHOOK: self.webhook,
            Channel.SMS: self.sms,
            Channel.PUSH: self.push,
            Channel.APPRISE: None,
        }
        return groups[channel]

    def bounds(self, lane: Lane) -> LaneBounds:
        """The bounds of ``lane``."""
        return self.transactional if lane is Lane.TRANSACTIONAL else self.bulk

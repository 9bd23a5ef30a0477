"""What the worker is told, by environment variables (see `fogbell.settings`)."""

from typing import Annotated, Self

from pydantic import BeforeValidator, Field, InstanceOf, ValidationError, model_validator
from pydantic_settings import NoDecode

from fogbell.model.status import PUSH_CHANNELS, Channel, Lane
from fogbell.settings import Channels, Group, Settings, words
from fogbell_worker.channels.apprise.settings import AppriseSettings
from fogbell_worker.channels.email.settings import EmailSettings
from fogbell_worker.channels.push.settings import PushSettings
from fogbell_worker.channels.sms.settings import SmsSettings
from fogbell_worker.channels.webhook.settings import WebhookSettings
from fogbell_worker.providers import ProviderSettings
from fogbell_worker.providers.asking import OVERRUN
from fogbell_worker.providers.breaker import BreakerRules
from fogbell_worker.providers.configured import Provided, ProviderLists, read_providers
from fogbell_worker.providers.kinds import load_kind
from fogbell_worker.providers.routing import walk_limit

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
    """Claims at once that are not sent yet; what is being recorded is bounded by ``prefetch``."""

    prefetch: int = Field(ge=1, le=10_000)
    """Messages held unacknowledged."""

    per_host: int | None = Field(default=None, ge=1, le=10_000)
    """Webhooks sent at once to one host and port. None: a quarter of the slots, at least 2."""

    @property
    def sends_per_host(self) -> int:
        """``per_host``, or what it is where it was not set."""
        return self.per_host or max(2, self.slots // 4)


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


class BreakerSettings(Group):
    """When a provider that fails is left alone, and for how long; for each provider the same."""

    failures: int = Field(default=10, ge=1, le=10_000)
    """So many failures in a row."""

    failure_share: float = Field(default=0.5, gt=0, le=1)
    """Or this share of the answers within the window, once there are enough."""

    enough_answers: int = Field(default=50, ge=1, le=1_000_000)
    """So many answers within the window are enough to tell a share."""

    window_seconds: float = Field(default=30, gt=0, le=3600)
    """What a share is told over."""

    pause_seconds: float = Field(default=10, gt=0, le=3600)
    """How long nothing is sent to it; then one send tries whether it is back."""

    def rules(self) -> BreakerRules:
        """The rules that these settings describe."""
        return BreakerRules(
            failures=self.failures,
            share=self.failure_share,
            least=self.enough_answers,
            window=self.window_seconds,
            pause=self.pause_seconds,
        )


class WorkerSettings(Settings):
    """Settings of the worker component."""

    channels: Channels = ALWAYS_ON
    """``FOGBELL_CHANNELS=email,webhook``: what this process serves. Where it is not set, a channel
    whose own settings are there is served besides."""

    lanes: Annotated[frozenset[Lane], NoDecode, BeforeValidator(words)] = frozenset(Lane)
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

    apprise: AppriseSettings | None = None
    """Needed for the apprise channel: ``FOGBELL_APPRISE__SCHEMES``."""

    providers: ProviderLists = ProviderLists()
    """``FOGBELL_PROVIDERS__SMS=gateway-a,gateway-b``: instead of the channel's own group."""

    provider: dict[str, InstanceOf[Provided]] = Field(default_factory=dict)
    """``FOGBELL_PROVIDER__GATEWAY_A__KIND=twilio`` and so on: a group for each provider listed."""

    provider_wait_seconds: float = Field(default=5, ge=0, le=300)
    """How long a send waits where every provider is at its rate or failing; then it is put back."""

    breaker: BreakerSettings = BreakerSettings()

    @model_validator(mode="before")
    @classmethod
    def _configured_join(cls, values: dict[str, object]) -> dict[str, object]:
        if "channels" in values:
            return values
        lists = values.get("providers")
        listed = lists if isinstance(lists, dict) else {}
        joining = {
            channel
            for channel in PUSH_CHANNELS - ALWAYS_ON
            if values.get(channel.value) or listed.get(channel.value)
        }
        return {**values, "channels": ALWAYS_ON | joining}

    @model_validator(mode="before")
    @classmethod
    def _providers_read(cls, values: dict[str, object]) -> dict[str, object]:
        """Groups are named by their providers and read by their kinds: this class knows neither."""
        try:
            lists = ProviderLists.model_validate(values.get("providers") or {})
        except ValidationError:
            return {**values, "provider": {}}  # told by the field itself
        groups = values.get("provider")
        found = read_providers(lists, groups if isinstance(groups, dict) else {})
        return {**values, "provider": found}

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if not self.channels or not self.lanes:
            raise ValueError("expected at least one channel and one lane")
        if Channel.INBOX in self.channels:
            raise ValueError(f"expected FOGBELL_CHANNELS among {', '.join(sorted(PUSH_CHANNELS))}")
        for channel in sorted(self.channels):
            if not self.provided(channel):
                raise ValueError(
                    f"the channel '{channel}' needs {_NEEDS[channel]};"
                    f" leave '{channel}' out of FOGBELL_CHANNELS if this worker shall not serve it"
                )
        return self._lease_is_long_enough()

    def _lease_is_long_enough(self) -> Self:
        longest = max(self.send_timeouts().values())
        needed = longest + OVERRUN + self.protocol.lease_margin_seconds
        if self.protocol.lease_seconds <= needed:
            raise ValueError(
                f"expected FOGBELL_PROTOCOL__LEASE_SECONDS above {needed:g}: the longest send"
                f" timeout ({longest:g}), {OVERRUN:g} and the margin, or no send could ever start"
            )
        return self

    def send_timeouts(self) -> dict[Channel, float]:
        """The longest that one send may take over each channel served, in seconds."""
        return {channel: self._send_timeout(channel) for channel in self.channels}

    def _send_timeout(self, channel: Channel) -> float:
        timeouts = [provided.settings.send_timeout for provided in self.provided(channel)]
        return walk_limit(timeouts, self.protocol.lease_seconds)

    def provided(self, channel: Channel) -> tuple[Provided, ...]:
        """The providers of ``channel`` in order: those listed, or its own group's."""
        listed = self.providers.of(channel)
        return tuple(self.provider[name] for name in listed) if listed else self._own(channel)

    def _own(self, channel: Channel) -> tuple[Provided, ...]:
        """What ``FOGBELL_EMAIL__*`` and its like describe: one provider of the built-in kind."""
        if channel is Channel.EMAIL and self.email is not None:
            return (_built_in("smtp", self.email, self.email.name),)
        if channel is Channel.SMS and self.sms is not None:
            return (_built_in("twilio", self.sms, self.sms.name),)
        if channel is Channel.PUSH and self.push is not None:
            return tuple(_built_in(kind, own) for kind, own in self.push.providers().items())
        if channel is Channel.APPRISE and self.apprise is not None:
            return (_built_in("apprise", self.apprise, self.apprise.name),)
        return (_built_in("webhook", self.webhook),) if channel is Channel.WEBHOOK else ()

    def slots(self, channel: Channel, lane: Lane) -> int:
        """Sends at once. A relay's connection carries one mail, and the envelope of the next one;
        more would only wait for their turn, and be put back if that came too late to be answered
        within their time. Nor do more start than Apprise has threads.
        """
        settings = [provided.settings for provided in self.provided(channel)]
        mails = [own.mails_at_once for own in settings if isinstance(own, EmailSettings)]
        threads = [own.threads for own in settings if isinstance(own, AppriseSettings)]
        return min([self.bounds(lane).slots, *mails, *threads])

    def bounds(self, lane: Lane) -> LaneBounds:
        """The bounds of ``lane``."""
        return self.transactional if lane is Lane.TRANSACTIONAL else self.bulk


def _built_in(kind: str, settings: ProviderSettings, name: str | None = None) -> Provided:
    return Provided(name or kind, kind, load_kind(kind), settings)

"""What intake is told, by environment variables (see `fogbell.settings`)."""

from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from fogbell.model.api_key import API_KEY
from fogbell.model.status import Channel
from fogbell.settings import Channels, Group, MetricsSettings, Settings
from fogbell_intake.inbox_settings import InboxSettings
from fogbell_intake.tokens import TokenSecret


def _check_key(value: SecretStr) -> SecretStr:
    if not API_KEY.fullmatch(value.get_secret_value()):
        raise ValueError("expected fbk_ and at least 32 characters of A-Z a-z 0-9 _ -")
    return value


class HttpSettings(Group):
    """Where and how intake listens."""

    host: str = "0.0.0.0"  # noqa: S104 - it is reached from outside the pod
    port: int = Field(default=8080, ge=0, le=65535)
    """0 takes any free port; ``--ready-file`` says which."""

    shutdown_seconds: int = Field(default=20, ge=1, le=3600)
    """For how long a stop waits for requests under way; streams end at once."""

    requests_per_second: float | None = Field(default=None, gt=0)
    """Requests of one API key to all replicas together, with a burst of two seconds' worth; beyond
    it 429. For keys without a ``rate_limit`` of their own. None: no limit."""

    access_log: bool = True
    """One line a request, with its route and never its path. Costs some 5 % of a busy process."""


class IntakeMetricsSettings(MetricsSettings):
    """Intake shows besides what belongs to no process that stays."""

    refresh_seconds: float = Field(default=10, ge=0.1, le=60)
    """Between two looks at what sweeps have left in MongoDB, and at RabbitMQ's queues."""


class IntakeSettings(Settings):
    """Settings of the intake component."""

    metrics: IntakeMetricsSettings = IntakeMetricsSettings()

    http: HttpSettings = HttpSettings()

    bootstrap_api_key: Annotated[SecretStr, AfterValidator(_check_key)] | None = None
    """``FOGBELL_BOOTSTRAP_API_KEY``: a key with every scope that is stored nowhere, to create the
    others with. None: there is none."""

    bootstrap_app: str = Field(default="bootstrap", min_length=1, max_length=128)
    """The app that the bootstrap key posts for."""

    inbox_token_secret: TokenSecret
    """``FOGBELL_INBOX_TOKEN_SECRET``: signs recipients' tokens."""

    offered_channels: Channels = frozenset({Channel.EMAIL, Channel.WEBHOOK, Channel.INBOX})
    """``FOGBELL_OFFERED_CHANNELS=email,webhook,inbox,sms``: the channels that posts may name. Name
    those that a worker serves: a delivery of any other would wait for ever."""

    inbox: InboxSettings = InboxSettings()

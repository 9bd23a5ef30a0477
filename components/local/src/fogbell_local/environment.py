"""What each component is told: environment variables, built from values. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from fogbell_local.providers import LocalProviders

HOST = "127.0.0.1"
APP = "local"
"""The app that the bootstrap key posts for."""

FROM_ADDRESS = "Fogbell <bell@fogbell.example>"


@dataclass(frozen=True, slots=True)
class Change:
    """A setting that differs from its default here, and why.

    ``component`` is the only one that has it; None: every component has.
    """

    variable: str
    value: str
    default: str
    what: str
    component: str | None = None

    def __str__(self) -> str:
        return f"{self.variable}={self.value}  ({self.what}; default {self.default})"


LOCAL = (
    Change("FOGBELL_SWEEP__INTERVAL_SECONDS", "1", "5", "between two sweeps", "retry"),
    Change("FOGBELL_PROTOCOL__SETTLE_SECONDS", "1", "5", "first look for a notification's end"),
    Change("FOGBELL_SHUTDOWN_SECONDS", "8", "40", "for sends at a worker's stop", "worker"),
    Change("FOGBELL_HTTP__SHUTDOWN_SECONDS", "5", "20", "for requests at a stop", "intake"),
)
"""What one machine changes: nothing that decides who gets what and how often."""

FAST = (
    Change("FOGBELL_PROTOCOL__LEASE_SECONDS", "6", "60", "for how long a claim holds"),
    Change("FOGBELL_PROTOCOL__LEASE_MARGIN_SECONDS", "1", "2", "of it kept for recording"),
    Change("FOGBELL_PROTOCOL__GRACE_SECONDS", "3", "30", "until what nobody claimed is released"),
    Change("FOGBELL_PROTOCOL__EXPIRY_HOLD_SECONDS", "2", "15", "no lease ends after an election"),
    Change("FOGBELL_PROTOCOL__SETTLE_CAP_SECONDS", "2", "60", "longest pause between two looks"),
    Change("FOGBELL_RETRY__BASE_SECONDS", "1", "10", "first backoff, tripled at each attempt"),
    Change("FOGBELL_EMAIL__SEND_TIMEOUT", "3", "30", "for one mail", "worker"),
    Change("FOGBELL_EMAIL__CONNECT_TIMEOUT", "2", "10", "for connecting to the relay", "worker"),
    Change("FOGBELL_WEBHOOK__SEND_TIMEOUT", "3", "15", "for one webhook", "worker"),
    Change("FOGBELL_WEBHOOK__CONNECT_TIMEOUT", "2", "5", "for connecting to a receiver", "worker"),
)
"""The protocol's times, shortened so that a person can watch what otherwise takes minutes."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where everything is. ``smtp_url`` is the relay's, ``webhook_port`` the sink's; without
    ``providers`` there is neither SMS nor push.
    """

    mongodb: str
    rabbitmq: str
    smtp_url: str
    webhook_port: int
    database: str = "fogbell"
    prefix: str = "fogbell."
    providers: LocalProviders | None = None


@dataclass(frozen=True, slots=True)
class Secrets:
    """The API key with every scope, and what signs inbox tokens."""

    api_key: str
    inbox_token: str


def understood(
    component: str, environ: Mapping[str, str], changes: tuple[Change, ...]
) -> dict[str, str]:
    """``environ``, with the changes that it does not name itself, for ``component``: without those
    of another component, which it would take for a slip. What the user says of times stands.
    """
    foreign = {c.variable for c in changes if c.component not in (None, component)}
    whole = {**{change.variable: change.value for change in changes}, **environ}
    return {name: value for name, value in whole.items() if name not in foreign}


def common(environ: Mapping[str, str], place: Place) -> dict[str, str]:
    """For every component. Addresses are the place's, whatever ``environ`` says."""
    return {
        # Any page on this machine may try the inbox: a token opens it, never a cookie.
        "FOGBELL_INBOX__CORS_ORIGINS": '["*"]',
        **environ,
        "FOGBELL_MONGODB__URI": place.mongodb,
        "FOGBELL_MONGODB__DATABASE": place.database,
        "FOGBELL_RABBITMQ__URI": place.rabbitmq,
        "FOGBELL_RABBITMQ__PREFIX": place.prefix,
        "FOGBELL_METRICS__HOST": HOST,
    }


def intake(secrets: Secrets, port: int, metrics_port: int) -> dict[str, str]:
    """For intake."""
    return {
        "FOGBELL_HTTP__HOST": HOST,
        "FOGBELL_HTTP__PORT": str(port),
        "FOGBELL_METRICS__PORT": str(metrics_port),
        "FOGBELL_BOOTSTRAP_API_KEY": secrets.api_key,
        "FOGBELL_BOOTSTRAP_APP": APP,
        "FOGBELL_INBOX_TOKEN_SECRET": secrets.inbox_token,
    }


def worker(environ: Mapping[str, str], place: Place, metrics_port: int) -> dict[str, str]:
    """For a worker. Its guard lets webhooks reach loopback, but only at the sink's port."""
    defaults = {
        "FOGBELL_WEBHOOK__ALLOW_NETWORKS": f'["{HOST}/32"]',
        "FOGBELL_WEBHOOK__ALLOW_HTTP": "true",
        "FOGBELL_WEBHOOK__ALLOWED_PORTS": f"[80, 443, {place.webhook_port}]",
        "FOGBELL_EMAIL__FROM_ADDRESS": FROM_ADDRESS,
    }
    return {
        **{name: environ.get(name, value) for name, value in defaults.items()},
        **(place.providers.of_worker(environ) if place.providers else {}),
        "FOGBELL_EMAIL__URL": place.smtp_url,
        "FOGBELL_METRICS__PORT": str(metrics_port),
    }


def retry(job_name: str, metrics_port: int) -> dict[str, str]:
    """For one window of retry."""
    return {"FOGBELL_JOB_NAME": job_name, "FOGBELL_METRICS__PORT": str(metrics_port)}

"""What components are told locally is what they understand."""

import os
import socket
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from fogbell.model.status import Channel
from fogbell.settings_report import slips
from fogbell_intake.settings import IntakeSettings
from fogbell_local import environment, processes
from fogbell_local.demo.command import SLOWER
from fogbell_local.environment import FAST, LOCAL, Change, Place, Secrets
from fogbell_local.providers import LocalProviders, offered
from fogbell_local.servers import ServerError
from fogbell_local.sink import service_account
from fogbell_local.system import chosen_port
from fogbell_retry.settings import RetryComponentSettings
from fogbell_retry.window import window_end
from fogbell_worker.settings import WorkerSettings

GATEWAYS = {name: f"http://127.0.0.1:4322/{name}" for name in ("gateway-a", "gateway-b")}
FCM = "http://127.0.0.1:4322/fcm"
PLACE = Place("mongodb://127.0.0.1:1", "amqp://127.0.0.1:2", "smtp://127.0.0.1:25", 4321)
SECRETS = Secrets("fbk_" + "k" * 40, "s" * 48)
EVERY_CHANGE = LOCAL + FAST + SLOWER


@pytest.fixture(autouse=True)
def _no_settings_around(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.startswith("FOGBELL_"):
            monkeypatch.delenv(name)


def put(monkeypatch: pytest.MonkeyPatch, *parts: Mapping[str, str]) -> None:
    for part in parts:
        for name, value in part.items():
            monkeypatch.setenv(name, value)


def worker(monkeypatch: pytest.MonkeyPatch, *changes: Change, **environ: str) -> WorkerSettings:
    put(monkeypatch, told("worker", changes, environ), environment.worker(environ, PLACE, 9))
    return WorkerSettings()


def told(
    component: str, changes: tuple[Change, ...] = (), environ: Mapping[str, str] | None = None
) -> dict[str, str]:
    return environment.common(environment.understood(component, environ or {}, changes), PLACE)


@pytest.mark.parametrize("changes", [LOCAL, LOCAL + FAST, EVERY_CHANGE])
def test_every_component_takes_what_it_is_told(
    monkeypatch: pytest.MonkeyPatch, changes: tuple[Change, ...]
) -> None:
    worker(monkeypatch, *changes)
    put(monkeypatch, told("intake", changes), told("retry", changes))
    put(monkeypatch, environment.intake(SECRETS, 8080, 1), environment.retry("job-1", 2))
    intake, retry = IntakeSettings(), RetryComponentSettings()
    assert (intake.http.port, intake.http.host) == (8080, "127.0.0.1")
    assert intake.mongodb.uri.get_secret_value() == PLACE.mongodb
    assert (retry.job_name, retry.metrics.port) == ("job-1", 2)


@pytest.mark.parametrize(
    ("component", "kind"),
    [("intake", IntakeSettings), ("worker", WorkerSettings), ("retry", RetryComponentSettings)],
)
@pytest.mark.parametrize("environ", [{}, {"FOGBELL_SHUTDOWN_SECONDS": "3"}])
def test_no_component_takes_anothers_setting_for_a_slip(
    component: str, kind: type[BaseModel], environ: dict[str, str]
) -> None:
    own = {
        "intake": environment.intake(SECRETS, 8080, 1) | offered({}),
        "worker": environment.worker({}, with_providers(Path("/account")), 2),
        "retry": environment.retry("job-1", 3),
    }
    assert slips(kind, told(component, EVERY_CHANGE, environ) | own[component]) == {}


def with_providers(account: Path) -> Place:
    return replace(PLACE, providers=LocalProviders(GATEWAYS, FCM, account))


def test_texts_and_pushes_go_to_the_sink(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    account = tmp_path / "account.json"
    service_account.write(account, f"{FCM}/token")
    put(monkeypatch, told("worker", EVERY_CHANGE))
    put(monkeypatch, environment.worker({}, with_providers(account), 9))
    settings = WorkerSettings()
    assert settings.channels >= {Channel.EMAIL, Channel.WEBHOOK, Channel.SMS, Channel.PUSH}
    gateways = {
        own.name: getattr(own.settings, "base_url", "") for own in settings.provided(Channel.SMS)
    }
    assert [*gateways.items()] == [*GATEWAYS.items()]
    assert settings.push is not None
    assert settings.push.fcm_base_url == FCM
    put(monkeypatch, environment.intake(SECRETS, 1, 1), offered({}))
    assert IntakeSettings().offered_channels >= settings.channels


def test_who_names_a_gateway_of_their_own_keeps_it() -> None:
    place = with_providers(Path("/account"))
    own = {"FOGBELL_SMS__ACCOUNT_SID": "ACmine", "FOGBELL_PUSH__FCM_CREDENTIALS": "{}"}
    told = environment.worker(own, place, 9)
    assert not [name for name in told if name.startswith(("FOGBELL_PROVIDER", "FOGBELL_PUSH"))]
    slower = {"FOGBELL_PROVIDER__GATEWAY_A__SEND_TIMEOUT": "2"}
    told = environment.worker(slower, place, 9)
    assert told["FOGBELL_PROVIDER__GATEWAY_A__SEND_TIMEOUT"] == "2"
    assert told["FOGBELL_PROVIDER__GATEWAY_A__BASE_URL"] == GATEWAYS["gateway-a"]
    assert offered({"FOGBELL_OFFERED_CHANNELS": "email"}) == {"FOGBELL_OFFERED_CHANNELS": "email"}


def test_webhooks_reach_loopback_at_the_sinks_port_only(monkeypatch: pytest.MonkeyPatch) -> None:
    webhook = worker(monkeypatch).webhook
    assert webhook.allow_networks == [IPv4Network("127.0.0.1/32")]
    assert webhook.allowed_ports == [80, 443, PLACE.webhook_port]


def test_pages_of_any_origin_may_try_the_inbox_unless_the_user_names_some(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put(monkeypatch, environment.intake(SECRETS, 1, 1), environment.common({}, PLACE))
    assert IntakeSettings().inbox.cors_origins == ["*"]
    named = {"FOGBELL_INBOX__CORS_ORIGINS": '["https://a.example"]'}
    put(monkeypatch, environment.common(named, PLACE))
    assert IntakeSettings().inbox.cors_origins == ["https://a.example"]


def test_what_the_user_says_of_times_stands_but_not_of_addresses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = worker(
        monkeypatch,
        *FAST,
        FOGBELL_PROTOCOL__LEASE_SECONDS="7",
        FOGBELL_WEBHOOK__ALLOWED_PORTS="[5]",
        FOGBELL_MONGODB__URI="mongodb://elsewhere",
        FOGBELL_EMAIL__URL="smtp://elsewhere",
    )
    assert settings.protocol.lease_seconds == 7
    assert settings.webhook.allowed_ports == [5]
    assert settings.mongodb.uri.get_secret_value() == PLACE.mongodb
    assert settings.email is not None
    assert settings.email.url.get_secret_value() == PLACE.smtp_url


@pytest.mark.parametrize("change", EVERY_CHANGE, ids=lambda change: change.variable)
def test_the_default_that_is_printed_is_the_default(
    monkeypatch: pytest.MonkeyPatch, change: Change
) -> None:
    settings: Any = worker(monkeypatch)
    put(monkeypatch, environment.intake(SECRETS, 1, 1))
    holders: list[Any] = [settings, IntakeSettings(), RetryComponentSettings()]
    path = change.variable.removeprefix("FOGBELL_").lower().split("__")
    values = [found for holder in holders if (found := _value(holder, path)) is not None]
    assert values
    assert all(value == float(change.default) for value in values)


def _value(holder: BaseModel, path: list[str]) -> Any:
    value: Any = holder
    for name in path:
        value = getattr(value, name, None)
    return value


@pytest.mark.parametrize("second", [0, 29, 30, 31, 54, 55, 56, 59])
def test_a_window_of_retry_is_never_shorter_than_its_start_is_worth(second: int) -> None:
    now = 1_790_000_040 // 60 * 60 + second
    started = datetime.fromtimestamp(now, UTC)
    left = (window_end(processes.job_name(now), started) - started).total_seconds()
    assert 20 < left < 90


def test_a_taken_port_is_refused_with_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ServerError, match=f"port {port} .* --port 0"):
            chosen_port(port)
    assert chosen_port(0) > 0


def test_job_names_follow_the_clock() -> None:
    assert processes.job_name(time.time()).startswith("fogbell-retry-")

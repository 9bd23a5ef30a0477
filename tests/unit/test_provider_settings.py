"""Lists of providers in the environment: what is read, and which mistakes end the start."""

import re

import pytest
from pydantic import ValidationError
from tests.support.fcm import service_account

from fogbell.model.status import Channel, Lane
from fogbell.settings_report import describe, slips
from fogbell_intake.settings import IntakeSettings
from fogbell_worker.channels.email import EmailSettings
from fogbell_worker.channels.sms import SmsSettings
from fogbell_worker.settings import WorkerSettings

SECRET = "0123456789"
"""Digits alone: JSON would read a number."""

A = {
    "FOGBELL_PROVIDER__GATEWAY_A__KIND": "twilio",
    "FOGBELL_PROVIDER__GATEWAY_A__ACCOUNT_SID": "123",
    "FOGBELL_PROVIDER__GATEWAY_A__AUTH_TOKEN": SECRET,
    "FOGBELL_PROVIDER__GATEWAY_A__SENDER": "+15005550006",
    "FOGBELL_PROVIDER__GATEWAY_A__RATE_PER_SECOND": "2.5",
}
B = {name.replace("GATEWAY_A", "B"): value for name, value in A.items()}
RELAY = {
    "FOGBELL_PROVIDER__RELAY__KIND": "smtp",
    "FOGBELL_PROVIDER__RELAY__URL": f"smtp://me:{SECRET}@relay.example.org",
    "FOGBELL_PROVIDER__RELAY__FROM_ADDRESS": "bell@example.org",
}


@pytest.fixture(autouse=True)
def _addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOGBELL_MONGODB_URI", "mongodb://127.0.0.1/?replicaSet=rs0")
    monkeypatch.setenv("FOGBELL_RABBITMQ_URI", "amqp://127.0.0.1/")
    monkeypatch.setenv("FOGBELL_CHANNELS", "webhook,sms")


def read(monkeypatch: pytest.MonkeyPatch, *groups: dict[str, str], **more: str) -> WorkerSettings:
    for name, value in {k: v for group in groups for k, v in group.items()}.items():
        monkeypatch.setenv(name, value)
    for name, value in more.items():
        monkeypatch.setenv(f"FOGBELL_{name}", value)
    return WorkerSettings()


def test_a_channel_has_the_listed_providers_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read(monkeypatch, A, B, PROVIDERS__SMS="b, gateway-a")
    first, second = settings.provided(Channel.SMS)
    assert (first.name, second.name, second.kind_name) == ("b", "gateway-a", "twilio")
    own = second.settings
    assert isinstance(own, SmsSettings)
    assert own.auth_token.get_secret_value() == SECRET
    assert (own.account_sid, own.rate_per_second) == ("123", 2.5)
    assert settings.send_timeouts() == {Channel.SMS: 30, Channel.WEBHOOK: 15}
    assert SECRET not in repr(settings)


def test_a_listed_channel_joins_and_its_own_group_is_not_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("FOGBELL_CHANNELS")
    settings = read(
        monkeypatch,
        A,
        RELAY,
        PROVIDERS__SMS="gateway-a",
        PROVIDERS__EMAIL="relay",
        EMAIL__URL="smtp://127.0.0.1",
        EMAIL__FROM_ADDRESS="old@example.org",
        PROVIDER__RELAY__CONNECTIONS="3",
    )
    assert settings.channels == {Channel.SMS, Channel.EMAIL, Channel.WEBHOOK}
    (relay,) = settings.provided(Channel.EMAIL)
    assert isinstance(relay.settings, EmailSettings)
    assert relay.settings.from_address == "bell@example.org"
    assert settings.slots(Channel.EMAIL, Lane.BULK) == 6
    assert settings.slots(Channel.SMS, Lane.BULK) == 50


def test_two_relays_of_thirty_seconds_fit_the_default_lease(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = {name.replace("RELAY", "RELAY_2"): value for name, value in RELAY.items()}
    settings = read(monkeypatch, RELAY, other, PROVIDERS__EMAIL="relay,relay_2", CHANNELS="email")
    assert settings.send_timeouts() == {Channel.EMAIL: 30}


def test_what_the_channels_own_groups_say_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = read(
        monkeypatch,
        CHANNELS="push,sms",
        PUSH__FCM_CREDENTIALS=service_account("http://127.0.0.1"),
        SMS__ACCOUNT_SID="AC1",
        SMS__AUTH_TOKEN=SECRET,
        SMS__SENDER="+15005550006",
        SMS__NAME="mine",
    )
    assert [p.name for p in settings.provided(Channel.PUSH)] == ["fcm"]
    assert [(p.name, p.kind_name) for p in settings.provided(Channel.SMS)] == [("mine", "twilio")]


WRONG: list[tuple[dict[str, str], str]] = [
    (
        A | {"FOGBELL_PROVIDER__GATEWAY_A__KIND": "pigeon"},
        r"FOGBELL_PROVIDER__GATEWAY_A__KIND is wrong: .*'pigeon'.* fcm, smtp, twilio",
    ),
    (A | {"FOGBELL_PROVIDER__GATEWAY_A__TOKEN": SECRET}, "GATEWAY_A__TOKEN is no setting"),
    (A | {"FOGBELL_PROVIDER__GATEWAY_A__NAME": "x"}, "GATEWAY_A__NAME is no setting here"),
    (
        A | {"FOGBELL_PROVIDER__GATEWAY_A__SEND_TIMEOUT": "-1"},
        "FOGBELL_PROVIDER__GATEWAY_A__SEND_TIMEOUT is wrong: .* not '-1'",
    ),
    (A | {"FOGBELL_PROVIDER__GATEWAY_A__RATE_BURST": "0"}, "GATEWAY_A__RATE_BURST is wrong"),
    (A | B, "FOGBELL_PROVIDER__B describes a provider that no channel lists"),
    ({}, "lists 'gateway-a', but FOGBELL_PROVIDER__GATEWAY_A__KIND is not set"),
    (
        A | {"FOGBELL_PROVIDERS__SMS": "gateway-a,b"},
        "lists 'b', but FOGBELL_PROVIDER__B__KIND is not set",
    ),
    (A | {"FOGBELL_PROVIDERS__SMS": "gateway-a,gateway_a"}, "already the group of 'gateway-a'"),
    (A | {"FOGBELL_PROVIDERS__WEBHOOK": "gateway-a"}, "name each provider once"),
    (A | {"FOGBELL_PROVIDERS__SMS": "gateway-a,gateway-a"}, "each name once"),
    (A | {"FOGBELL_PROVIDERS__SMS": "Gateway A"}, "expected names of the form"),
    (
        A | RELAY | {"FOGBELL_PROVIDERS__SMS": "gateway-a,relay"},
        "RELAY__KIND is wrong: 'smtp' serves email, but FOGBELL_PROVIDERS__SMS lists 'relay'",
    ),
]


@pytest.mark.parametrize(("given", "said"), WRONG, ids=[said[:40] for _, said in WRONG])
def test_a_mistake_in_the_lists_is_told_in_a_sentence_without_secrets(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], said: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        read(monkeypatch, {"FOGBELL_PROVIDERS__SMS": "gateway-a"} | given)
    sentences = " ".join(describe(e) for e in refused.value.errors(include_url=False))
    assert re.search(said, sentences), sentences
    assert SECRET not in sentences


def test_groups_of_providers_are_no_slips_for_any_component() -> None:
    given = [*A, "FOGBELL_PROVIDERS__SMS", "FOGBELL_PROVIDER_WAIT_SECONDS"]
    assert slips(WorkerSettings, given) == {}
    assert slips(IntakeSettings, given) == {}
    assert slips(WorkerSettings, ["FOGBELL_PROVIDER__A__KIND", "FOGBELL_PROVIDRS__SMS"]) == {
        "FOGBELL_PROVIDRS__SMS": "FOGBELL_PROVIDERS__SMS"
    }

"""The worker's settings: what one variable changes and what it leaves as it is."""

import subprocess
import sys

import pytest
from pydantic import ValidationError
from tests.support.fcm import PROJECT, service_account

from fogbell.model.status import Channel, Lane
from fogbell_worker.channels.push import FcmSettings
from fogbell_worker.settings import WorkerSettings


@pytest.fixture(autouse=True)
def _addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOGBELL_MONGODB_URI", "mongodb://127.0.0.1/?replicaSet=rs0")
    monkeypatch.setenv("FOGBELL_RABBITMQ_URI", "amqp://127.0.0.1/")
    monkeypatch.setenv("FOGBELL_CHANNELS", "webhook")


def test_one_bound_of_a_lane_is_changed_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOGBELL_BULK__SLOTS", "7")
    bulk = WorkerSettings().bulk
    assert (bulk.slots, bulk.batches, bulk.prefetch) == (7, 2, 4)


def test_bulk_keeps_few_batches_so_that_a_kill_repeats_little() -> None:
    settings = WorkerSettings()
    assert settings.bulk.batches * settings.claim_batch <= 400
    assert settings.bulk.prefetch <= 4


SMS = {"ACCOUNT_SID": "AC1", "AUTH_TOKEN": "t", "SENDER": "+15005550006"}


def test_a_configured_channel_joins_unless_the_channels_are_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in SMS.items():
        monkeypatch.setenv(f"FOGBELL_SMS__{name}", value)
    assert WorkerSettings().channels == {Channel.WEBHOOK}
    monkeypatch.delenv("FOGBELL_CHANNELS")
    monkeypatch.setenv("FOGBELL_EMAIL__URL", "smtp://127.0.0.1")
    monkeypatch.setenv("FOGBELL_EMAIL__FROM_ADDRESS", "shop@example.org")
    settings = WorkerSettings()
    assert settings.channels == {Channel.EMAIL, Channel.WEBHOOK, Channel.SMS}
    assert settings.send_timeouts()[Channel.SMS] == 15


@pytest.mark.parametrize("channel", ["email", "sms", "push", "apprise"])
def test_a_channel_that_lacks_its_settings_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, channel: str
) -> None:
    monkeypatch.setenv("FOGBELL_CHANNELS", channel)
    with pytest.raises(ValidationError, match=f"FOGBELL_{channel.upper()}__"):
        WorkerSettings()


def test_push_is_configured_by_a_key_files_text_and_by_a_list(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FOGBELL_CHANNELS", "push")
    monkeypatch.setenv("FOGBELL_PUSH__FCM_CREDENTIALS", service_account("http://127.0.0.1"))
    monkeypatch.setenv("FOGBELL_PUSH__ALLOWED_PORTS", "[443]")
    settings = WorkerSettings()
    assert settings.push is not None
    assert settings.push.allowed_ports == [443]
    own = settings.push.providers()["fcm"]
    assert isinstance(own, FcmSettings)
    assert own.account().project == PROJECT
    assert settings.send_timeouts() == {Channel.PUSH: 15}


def test_apprise_joins_with_its_list_and_starts_no_more_sends_than_it_has_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("FOGBELL_CHANNELS")
    monkeypatch.setenv("FOGBELL_EMAIL__URL", "smtp://127.0.0.1")
    monkeypatch.setenv("FOGBELL_EMAIL__FROM_ADDRESS", "shop@example.org")
    monkeypatch.setenv("FOGBELL_APPRISE__SCHEMES", "tgram, slack")
    monkeypatch.setenv("FOGBELL_APPRISE__THREADS", "6")
    settings = WorkerSettings()
    assert settings.apprise is not None
    assert settings.apprise.schemes == {"tgram", "slack"}
    assert settings.channels == {Channel.EMAIL, Channel.WEBHOOK, Channel.APPRISE}
    assert [settings.slots(Channel.APPRISE, lane) for lane in Lane] == [6, 6]
    (own,) = settings.provided(Channel.APPRISE)
    assert (own.name, own.kind_name) == ("apprise", "apprise")


def test_two_lists_of_schemes_are_two_providers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOGBELL_CHANNELS", "apprise")
    monkeypatch.setenv("FOGBELL_PROVIDERS__APPRISE", "chats,own")
    for name, schemes in (("CHATS", "tgram,slack"), ("OWN", "gotify")):
        monkeypatch.setenv(f"FOGBELL_PROVIDER__{name}__KIND", "apprise")
        monkeypatch.setenv(f"FOGBELL_PROVIDER__{name}__SCHEMES", schemes)
    provided = WorkerSettings().provided(Channel.APPRISE)
    assert [(p.name, sorted(p.settings.schemes)) for p in provided] == [  # type: ignore[attr-defined]
        ("chats", ["slack", "tgram"]),
        ("own", ["gotify"]),
    ]


def test_a_worker_without_the_channel_never_imports_apprise() -> None:
    script = (
        "import sys, fogbell_worker.app\n"
        "from fogbell_worker.settings import WorkerSettings\n"
        "from fogbell_worker.providers.kinds import load_kind\n"
        "WorkerSettings(); load_kind('apprise')\n"
        "assert 'apprise' not in sys.modules, 'it costs each worker a second and 30 MB'"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def test_a_lease_in_which_no_send_could_start_stops_the_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FOGBELL_WEBHOOK__SEND_TIMEOUT", "15")
    monkeypatch.setenv("FOGBELL_PROTOCOL__LEASE_SECONDS", "17.1")
    with pytest.raises(ValidationError, match="no send could ever start"):
        WorkerSettings()
    monkeypatch.setenv("FOGBELL_PROTOCOL__LEASE_SECONDS", "17.3")
    assert WorkerSettings().send_timeouts()[Channel.WEBHOOK] == 15

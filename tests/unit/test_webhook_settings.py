import ipaddress

import pytest
from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from fogbell_worker.channels.webhook import WebhookSettings


class Worker(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="FOGBELL_", env_nested_delimiter="__")

    webhook: WebhookSettings = WebhookSettings()


def test_only_public_addresses_over_https_are_posted_to_unless_an_operator_says_so() -> None:
    settings = WebhookSettings()
    assert (settings.allow_networks, settings.allow_http) == ([], False)


def test_settings_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOGBELL_WEBHOOK__ALLOW_NETWORKS", '["127.0.0.0/8", "fd00::/8"]')
    monkeypatch.setenv("FOGBELL_WEBHOOK__SEND_TIMEOUT", "2.5")
    settings = Worker().webhook
    assert settings.send_timeout == 2.5
    assert settings.allow_networks == [
        ipaddress.ip_network("127.0.0.0/8"),
        ipaddress.ip_network("fd00::/8"),
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        {"signing_secrets": ["whsec_%"]},
        {"allow_networks": ["127.0.0.1/8"]},
        {"allowed_ports": [0]},
        {"user_agent": "a\r\nb: c"},
        {"sendtimeout": 3},
    ],
)
def test_a_setting_that_cannot_work_stops_the_start(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        WebhookSettings.model_validate(wrong)

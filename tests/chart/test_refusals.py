"""Wrong values end helm with a sentence: nothing is installed that could not work."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.chart.rendering import VALUES, template

from fogbell.settings import ProtocolSettings
from fogbell_worker.channels.apprise.settings import AppriseSettings
from fogbell_worker.channels.email.settings import EmailSettings
from fogbell_worker.channels.push.settings import PushSettings
from fogbell_worker.channels.sms.settings import SmsSettings
from fogbell_worker.channels.webhook.settings import WebhookSettings
from fogbell_worker.providers import ProviderSettings
from fogbell_worker.providers.asking import OVERRUN

MINIMAL = yaml.safe_load((VALUES / "minimal.yaml").read_text())
WRONG: dict[str, dict[str, Any]] = yaml.safe_load(VALUES.with_name("wrong.yaml").read_text())


def merged(base: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    both = {
        k: merged(base[k], v) if isinstance(v, dict) and isinstance(base.get(k), dict) else v
        for k, v in change.items()
    }
    return {**base, **both}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_values_are_refused_with_a_sentence(case: str, tmp_path: Path) -> None:
    file = tmp_path / "values.yaml"
    file.write_text(yaml.safe_dump(merged(MINIMAL, WRONG[case]["values"])))
    done = template("--values", file)
    assert done.returncode != 0, case
    assert WRONG[case]["says"] in done.stderr


LEASED: dict[str, tuple[type[ProviderSettings], dict[str, Any]]] = {
    "email": (
        EmailSettings,
        {"email": {"existingSecret": {"name": "relay"}, "fromAddress": "a@example.org"}},
    ),
    "webhook": (WebhookSettings, {}),
    "sms": (SmsSettings, {"settings": {"FOGBELL_SMS__SENDER": "Fog"}}),
    "push": (PushSettings, {"settings": {"FOGBELL_PUSH__VAPID_SUBJECT": "mailto:a@example.org"}}),
    "apprise": (AppriseSettings, {"settings": {"FOGBELL_APPRISE__SCHEMES": "tgram"}}),
}


@pytest.mark.parametrize("channel", LEASED)
def test_a_lease_under_which_no_send_could_start_is_refused(channel: str, tmp_path: Path) -> None:
    """As the workers refuse it: by the same defaults."""
    kind, more = LEASED[channel]
    timeout, margin = kind.model_fields["send_timeout"].default, ProtocolSettings()
    needed = timeout + OVERRUN + margin.lease_margin_seconds
    for lease, taken in ((needed, False), (needed + 0.25, True)):
        own = {"FOGBELL_PROTOCOL__LEASE_SECONDS": lease, **more.get("settings", {})}
        pool = {"worker": {"pools": {"main": {"channels": [channel], "settings": own}}}}
        given = merged(MINIMAL, {"email": more.get("email", {}), **pool})
        file = tmp_path / "values.yaml"
        file.write_text(yaml.safe_dump(given))
        done = template("--values", file)
        assert (done.returncode == 0) == taken, done.stderr
        assert taken or f"must be above {needed:g}" in done.stderr


@pytest.mark.parametrize(
    "pool",
    [
        {"settings": {"FOGBELL_WEBHOOK__SEND_TIMEOUT": 5}},
        {"settings": {"FOGBELL_PROVIDERS__WEBHOOK": "quick"}},
        {"extraEnv": [{"name": "FOGBELL_PROTOCOL__LEASE_SECONDS", "value": "60"}]},
        {"extraEnvFrom": [{"secretRef": {"name": "unseen"}}]},
    ],
)
def test_a_lease_is_left_to_the_workers_where_values_do_not_say_all(
    pool: dict[str, Any], tmp_path: Path
) -> None:
    short = {"settings": {"FOGBELL_PROTOCOL__LEASE_SECONDS": 10}}
    file = tmp_path / "values.yaml"
    file.write_text(yaml.safe_dump(merged(MINIMAL, {**short, "worker": {"pools": {"main": pool}}})))
    assert template("--values", file).returncode == 0


def test_values_without_anything_are_refused() -> None:
    done = template()
    assert done.returncode != 0
    assert "dev.enabled=true" in done.stderr

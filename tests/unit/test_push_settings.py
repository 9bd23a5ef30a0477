from pathlib import Path

import pytest
from pydantic import ValidationError
from tests.support import fcm

from fogbell_worker.channels.push import FcmSettings, PushSettings

VAPID = {
    "vapid_private_key": "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw",
    "vapid_subject": "mailto:ops@example.org",
}


def test_a_key_file_and_its_text_are_one_and_the_same(tmp_path: Path) -> None:
    text = fcm.service_account("http://127.0.0.1")
    file = tmp_path / "key.json"
    file.write_text(text)
    for given in ({"fcm_credentials_file": file}, {"fcm_credentials": text}):
        own = PushSettings.model_validate(given).providers()["fcm"]
        assert isinstance(own, FcmSettings)
        assert own.account().project == fcm.PROJECT


def test_one_provider_is_enough() -> None:
    assert PushSettings.model_validate(VAPID).providers().keys() == {"webpush"}


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"vapid_private_key": VAPID["vapid_private_key"]},
        {"vapid_subject": "mailto:ops@example.org"},
        {**VAPID, "vapid_private_key": "AAAA"},
        {**VAPID, "vapid_subject": "ops"},
        {**VAPID, "ttl_seconds": 2_419_201},
        {**VAPID, "fcm_credentials_file": "/nowhere/key.json"},
        {**VAPID, "fcm_credentials": "{"},
        {**VAPID, "fcm_credentials": '{"type": "authorized_user"}'},
        {**VAPID, "fcm_credentials": fcm.service_account("http://x", project_id=None)},
        {**VAPID, "fcm_credentials": fcm.service_account("http://x", client_email=None)},
        {**VAPID, "fcm_credentials": fcm.service_account("http://x", private_key="secret")},
        {**VAPID, "ttl": 1},
    ],
)
def test_a_setting_that_cannot_work_stops_the_start_and_tells_no_secret(
    wrong: dict[str, object],
) -> None:
    with pytest.raises(ValidationError) as refused:
        PushSettings.model_validate(wrong)
    assert "secret" not in str(refused.value)
    assert "PRIVATE KEY" not in str(refused.value)

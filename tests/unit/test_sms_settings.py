import pytest
from pydantic import ValidationError

from fogbell_worker.channels.sms import SmsSettings
from fogbell_worker.channels.sms.request import messages_url

NEEDED = {"account_sid": "AC1", "auth_token": "secret", "sender": "+15005550006"}


def test_a_gateway_of_the_same_form_is_reached_by_its_base_url() -> None:
    for base in ("https://gate.example.org/api/laml", "https://gate.example.org/api/laml/"):
        settings = SmsSettings.model_validate({**NEEDED, "base_url": base})
        assert messages_url(settings) == (
            "https://gate.example.org/api/laml/2010-04-01/Accounts/AC1/Messages.json"
        )


@pytest.mark.parametrize("sender", ["+15005550006", "12345", "Shop & Co"])
def test_a_sender_is_a_number_a_short_code_or_a_name(sender: str) -> None:
    assert SmsSettings.model_validate({**NEEDED, "sender": sender}).sender == sender


@pytest.mark.parametrize(
    "wrong",
    [
        {"sender": None},
        {"messaging_service_sid": "MG1"},
        {"sender": "twelve chars"},
        {"sender": "a\r\nb"},
        {"account_sid": "AC1/../x"},
        {"auth_token": ""},
        {"base_url": "gate.example.org"},
        {"name": "Twilio"},
        {"timeout": 3},
    ],
)
def test_a_setting_that_cannot_work_stops_the_start(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SmsSettings.model_validate({**NEEDED, **wrong})


def test_the_token_never_shows() -> None:
    settings = SmsSettings.model_validate(NEEDED)
    assert "secret" not in repr(settings) + str(settings)
    with pytest.raises(ValidationError) as refused:
        SmsSettings.model_validate({**NEEDED, "sender": None})
    assert "secret" not in str(refused.value)

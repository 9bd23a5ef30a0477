"""How the gateway is reached, and as whom."""

from typing import Self

from pydantic import Field, SecretStr, model_validator

from fogbell.model.address import Url
from fogbell_worker.http.settings import HttpSettings

_SID = r"^[A-Za-z0-9._-]{1,64}$"


class SmsSettings(HttpSettings):
    """Settings of the SMS channel, ``FOGBELL_SMS__<NAME>``.

    Any gateway serves that has Twilio's form: ``POST
    {base_url}/2010-04-01/Accounts/{account_sid}/Messages.json``.
    """

    account_sid: str = Field(pattern=_SID)
    """The account that messages are sent from (``AC...``)."""

    auth_token: SecretStr = Field(min_length=1)
    """The account's token, or the secret of the API key."""

    api_key_sid: str | None = Field(default=None, pattern=_SID)
    """An API key (``SK...``) whose secret ``auth_token`` is: it can be revoked alone. None: the
    account's own token is used."""

    sender: str | None = Field(default=None, pattern=r"^(\+?[0-9]{3,15}|[A-Za-z0-9 &+_-]{1,11})$")
    """What messages come from: a number, a short code or an alphanumeric sender id."""

    messaging_service_sid: str | None = Field(default=None, pattern=_SID)
    """A messaging service (``MG...``) that picks the sender; instead of ``sender``."""

    base_url: Url = "https://api.twilio.com"
    """Where the gateway is. With plain http the token crosses the network readable by anyone."""

    name: str = Field(default="twilio", pattern=r"^[a-z][a-z0-9_-]{0,31}$")
    """What the provider is called in attempts and metrics."""

    @model_validator(mode="after")
    def _one_sender(self) -> Self:
        if (self.sender is None) == (self.messaging_service_sid is None):
            raise ValueError("expected either sender or messaging_service_sid")
        return self

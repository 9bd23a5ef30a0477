"""What an operator may set about push messages."""

import re
from typing import Self

from pydantic import Field, FilePath, SecretStr, field_validator, model_validator

from fogbell.model.address import Url
from fogbell_worker.channels.push.service_account import ServiceAccount, read_service_account
from fogbell_worker.channels.push.vapid import read_private_key
from fogbell_worker.http.settings import GuardedSettings

LONGEST_TTL = 2_419_200
"""Four weeks in seconds: what FCM allows, and push services keep at most."""

_SUBJECT = re.compile(r"(mailto:[^\s@]+@[^\s@]+|https://[^\s]+)")


class PushSettings(GuardedSettings):
    """Settings of the push channel, ``FOGBELL_PUSH__<NAME>``.

    FCM needs a service account (one of the two ``fcm_credentials``), Web Push needs the two
    ``vapid`` settings; at least one provider must be there. The guard's settings are for Web Push,
    whose URLs come with the subscriptions; FCM's are the operator's own.
    """

    fcm_credentials_file: FilePath | None = None
    """The service account's key file (JSON), as the Firebase console gives it."""

    fcm_credentials: SecretStr | None = None
    """The same JSON itself, instead of a file."""

    fcm_project: str | None = Field(default=None, pattern=r"^[a-z0-9][a-z0-9.:-]{2,62}$")
    """The Firebase project. None: the service account's own."""

    fcm_base_url: Url = "https://fcm.googleapis.com"
    """Where FCM is."""

    vapid_private_key: SecretStr | None = None
    """The application server's key for Web Push: 32 bytes in base64url."""

    vapid_subject: str | None = None
    """Whom a push service may turn to: ``mailto:ops@example.org`` or an https URL."""

    ttl_seconds: int = Field(default=LONGEST_TTL, ge=0, le=LONGEST_TTL)
    """How long a message waits for its device at most; a notification's end comes first."""

    @field_validator("vapid_private_key")
    @classmethod
    def _usable_key(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            read_private_key(value.get_secret_value())
        return value

    @field_validator("vapid_subject")
    @classmethod
    def _reachable(cls, value: str | None) -> str | None:
        if value is not None and not _SUBJECT.fullmatch(value):
            raise ValueError("expected a contact such as mailto:ops@example.org or an https URL")
        return value

    @model_validator(mode="after")
    def _some_provider(self) -> Self:
        if self.fcm_credentials_file is not None and self.fcm_credentials is not None:
            raise ValueError("expected either fcm_credentials or fcm_credentials_file")
        if (self.vapid_private_key is None) != (self.vapid_subject is None):
            raise ValueError("expected vapid_private_key and vapid_subject together")
        if self.service_account() is None and self.vapid_private_key is None:
            raise ValueError("expected fcm_credentials_file, fcm_credentials or vapid_private_key")
        return self

    def service_account(self) -> ServiceAccount | None:
        """FCM's service account, where there is one. Raises ValueError where it cannot be used."""
        if self.fcm_credentials is not None:
            return read_service_account(self.fcm_credentials.get_secret_value())
        if self.fcm_credentials_file is not None:
            return read_service_account(self.fcm_credentials_file.read_text(encoding="utf-8"))
        return None

"""What an operator may set about push messages, for each provider and for both at once."""

import re
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, FilePath, SecretStr, model_validator

from fogbell.model.address import Url
from fogbell_worker.channels.push.service_account import ServiceAccount, read_service_account
from fogbell_worker.channels.push.vapid import read_private_key
from fogbell_worker.http.settings import GuardedSettings, HttpSettings
from fogbell_worker.providers import ProviderSettings

LONGEST_TTL = 2_419_200
"""Four weeks in seconds: what FCM allows, and push services keep at most."""

_SUBJECT = re.compile(r"(mailto:[^\s@]+@[^\s@]+|https://[^\s]+)")


_PROJECT = r"^[a-z0-9][a-z0-9.:-]{2,62}$"
_GOOGLE = "https://fcm.googleapis.com"


def _usable_key(value: SecretStr) -> SecretStr:
    read_private_key(value.get_secret_value())
    return value


def _reachable(value: str) -> str:
    if not _SUBJECT.fullmatch(value):
        raise ValueError("expected a contact such as mailto:ops@example.org or an https URL")
    return value


VapidKey = Annotated[SecretStr, AfterValidator(_usable_key)]
VapidSubject = Annotated[str, AfterValidator(_reachable)]
Ttl = Annotated[int, Field(ge=0, le=LONGEST_TTL)]


class FcmSettings(HttpSettings):
    """Settings of the kind ``fcm``: one Firebase project. One of the two credentials is needed."""

    credentials_file: FilePath | None = None
    """The service account's key file (JSON), as the Firebase console gives it."""

    credentials: SecretStr | None = None
    """The same JSON itself, instead of a file."""

    project: str | None = Field(default=None, pattern=_PROJECT)
    """The Firebase project. None: the service account's own."""

    base_url: Url = _GOOGLE
    """Where FCM is."""

    ttl_seconds: Ttl = LONGEST_TTL
    """How long a message waits for its device at most; a notification's end comes first."""

    @model_validator(mode="after")
    def _one_account(self) -> Self:
        if (self.credentials_file is None) == (self.credentials is None):
            raise ValueError("expected either credentials or credentials_file")
        self.account()
        return self

    def account(self) -> ServiceAccount:
        """FCM's service account. Raises ValueError where it cannot be used."""
        if self.credentials is not None:
            return read_service_account(self.credentials.get_secret_value())
        assert self.credentials_file is not None
        return read_service_account(self.credentials_file.read_text(encoding="utf-8"))


class WebPushSettings(GuardedSettings):
    """Settings of the kind ``webpush``: one application server's key."""

    vapid_private_key: VapidKey
    """The application server's key: 32 bytes in base64url."""

    vapid_subject: VapidSubject
    """Whom a push service may turn to: ``mailto:ops@example.org`` or an https URL."""

    ttl_seconds: Ttl = LONGEST_TTL
    """As for ``fcm``."""


class PushSettings(GuardedSettings):
    """Settings of the push channel, ``FOGBELL_PUSH__<NAME>``: one provider of each kind at most.

    FCM needs a service account (one of the two ``fcm_credentials``), Web Push needs the two
    ``vapid`` settings; at least one provider must be there. The guard's settings are for Web Push,
    whose URLs come with the subscriptions; FCM's are the operator's own. The rate is each one's.
    """

    fcm_credentials_file: FilePath | None = None
    """The service account's key file (JSON), as the Firebase console gives it."""

    fcm_credentials: SecretStr | None = None
    """The same JSON itself, instead of a file."""

    fcm_project: str | None = Field(default=None, pattern=_PROJECT)
    """The Firebase project. None: the service account's own."""

    fcm_base_url: Url = _GOOGLE
    """Where FCM is."""

    vapid_private_key: VapidKey | None = None
    """The application server's key for Web Push: 32 bytes in base64url."""

    vapid_subject: VapidSubject | None = None
    """Whom a push service may turn to: ``mailto:ops@example.org`` or an https URL."""

    ttl_seconds: Ttl = LONGEST_TTL
    """How long a message waits for its device at most; a notification's end comes first."""

    @model_validator(mode="after")
    def _some_provider(self) -> Self:
        if self.fcm_credentials_file is not None and self.fcm_credentials is not None:
            raise ValueError("expected either fcm_credentials or fcm_credentials_file")
        if (self.vapid_private_key is None) != (self.vapid_subject is None):
            raise ValueError("expected vapid_private_key and vapid_subject together")
        if not self.providers():
            raise ValueError("expected fcm_credentials_file, fcm_credentials or vapid_private_key")
        return self

    def providers(self) -> dict[str, ProviderSettings]:
        """The settings of each kind that is configured. Raises ValueError for a useless account."""
        found: dict[str, ProviderSettings] = {}
        if self.fcm_credentials is not None or self.fcm_credentials_file is not None:
            found["fcm"] = FcmSettings(
                credentials=self.fcm_credentials,
                credentials_file=self.fcm_credentials_file,
                project=self.fcm_project,
                base_url=self.fcm_base_url,
                **self._shared(HttpSettings),
                ttl_seconds=self.ttl_seconds,
            )
        if self.vapid_private_key is not None and self.vapid_subject is not None:
            found["webpush"] = WebPushSettings(
                vapid_private_key=self.vapid_private_key,
                vapid_subject=self.vapid_subject,
                **self._shared(GuardedSettings),
                ttl_seconds=self.ttl_seconds,
            )
        return found

    def _shared(self, kind: type[HttpSettings]) -> dict[str, Any]:
        return {name: getattr(self, name) for name in kind.model_fields}

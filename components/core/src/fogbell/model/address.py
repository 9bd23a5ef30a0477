"""Addresses: what each channel needs to reach somebody, and what is refused.

Pure. The directory, inline audiences and imports all come through here, so that one rule decides
everywhere what an address is.
"""

import re
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

from fogbell.model.status import Channel

_LOCAL_PART = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}")
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_SUBSCRIPTION_KEYS = re.compile(r"B[A-Za-z0-9_-]{86}\.[A-Za-z0-9_-]{22}")
_APPRISE_URL = re.compile(r"([A-Za-z0-9]{1,32})://([\x21-\x7e]+)")
_QUOTED_PAIR = re.compile(r"\\(.)")
RECIPIENT_ID = r"^[A-Za-z0-9._:@-]{1,128}$"


def check_email(value: str) -> str:
    """An addr-spec in RFC 5321's dot-string form, ASCII, any domain (``localhost`` included).

    Cluster-local names and ``.test`` are what demos and in-cluster relays use, which is why no
    list of top-level domains is asked. Raises ValueError.
    """
    local, at, domain = value.rpartition("@")
    if not at:
        raise ValueError("expected an e-mail address such as ann@example.org")
    if not _LOCAL_PART.fullmatch(local) or local[0] == "." or local[-1] == "." or ".." in local:
        raise ValueError("the part of the e-mail address before the @ is not valid")
    if len(domain) > 253 or not all(_LABEL.fullmatch(label) for label in domain.split(".")):
        raise ValueError("the domain of the e-mail address is not valid")
    return f"{local}@{domain.lower()}"


def split_mailbox(value: str) -> tuple[str, str]:
    """``Shop <shop@example.org>``, or an address alone: the name (maybe empty), and the address.

    Raises ValueError, which holds nothing of ``value``.
    """
    display, address = "", value
    if value.endswith(">"):
        display, _, address = value[:-1].rpartition("<")
    address = check_email(address.strip())
    display = display.strip()
    if len(display) > 1 and display[0] == display[-1] == '"':
        display = _QUOTED_PAIR.sub(r"\1", display[1:-1]).strip()
    return display, address


def check_phone(value: str) -> str:
    """A telephone number in E.164 form (``+31612345678``). Raises ValueError."""
    if not _E164.fullmatch(value):
        raise ValueError("expected a phone number in E.164 form, such as +31612345678")
    return value


def check_url(value: str) -> str:
    """An absolute http or https URL without credentials or fragment. Raises ValueError."""
    if len(value) > 2048:
        raise ValueError("expected a URL of at most 2048 characters")
    # A backslash is a slash to some readers (WHATWG) and part of the host to others (RFC 3986).
    if not value.isascii() or not value.isprintable() or " " in value or "\\" in value:
        raise ValueError("expected a URL of printable ASCII; percent-encode the rest")
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("expected an absolute http or https URL")
    if parts.username is not None or parts.password is not None or "#" in value:
        raise ValueError("expected a URL without credentials and without a fragment")
    _ = parts.port  # raises ValueError for a port out of range
    return value


def check_apprise_url(value: SecretStr) -> SecretStr:
    """A URL of Apprise, ``scheme://...``, with its scheme in lower case. Raises ValueError.

    Its form alone: which schemes are served is the worker's to say. Errors hold nothing of it, for
    most of these URLs are tokens.
    """
    text = value.get_secret_value()
    found = _APPRISE_URL.fullmatch(text) if len(text) <= 2048 else None
    if found is None:
        raise ValueError(
            "expected one URL of Apprise such as tgram://TOKEN/CHAT, in at most 2048 characters of"
            " printable ASCII; percent-encode the rest"
        )
    return SecretStr(f"{found[1].lower()}://{found[2]}")


Email = Annotated[str, AfterValidator(check_email), Field(max_length=320)]
Phone = Annotated[str, AfterValidator(check_phone)]
Url = Annotated[str, AfterValidator(check_url)]
AppriseUrl = Annotated[SecretStr, AfterValidator(check_apprise_url)]
RecipientId = Annotated[str, Field(pattern=RECIPIENT_ID)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class WebhookAddress(_Strict):
    """Where to post, and the secrets (``whsec_...``) to sign with, newest first."""

    url: Url
    secrets: list[SecretStr] = Field(default_factory=list, max_length=5)


WEBPUSH = "webpush"
"""The provider of a browser's push subscriptions."""


class PushAddress(_Strict):
    """One device: the provider's name for it, and its token (FCM) or URL (Web Push).

    A browser's subscription has its endpoint as ``url``, and its two keys as ``token``:
    ``p256dh`` (65 bytes) and ``auth`` (16 bytes) as the browser gives them, base64url without
    padding, with a dot between.
    """

    provider: str = Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")
    token: str | None = Field(default=None, min_length=1, max_length=4096)
    url: Url | None = None

    @model_validator(mode="after")
    def _some_device(self) -> Self:
        if self.token is None and self.url is None:
            raise ValueError("expected 'token' or 'url'")
        if self.provider == WEBPUSH:
            if self.url is None:
                raise ValueError("expected the subscription's endpoint as 'url'")
            if self.token is None or not _SUBSCRIPTION_KEYS.fullmatch(self.token):
                raise ValueError("expected the subscription's keys p256dh.auth as 'token'")
        return self

    @property
    def key(self) -> str:
        """What tells this device from the recipient's others, in a delivery's identity."""
        return self.token or self.url or ""

    @property
    def suppressible(self) -> str:
        """What a suppression names: a subscription by its endpoint, all else by its token."""
        return self.url or self.token or ""


class AppriseAddress(_Strict):
    """One target of a service that Apprise knows (``tgram://TOKEN/CHAT``).

    All of the URL but its scheme is secret: it holds the tokens that open the service.
    """

    url: AppriseUrl

    @property
    def scheme(self) -> str:
        """The service, as Apprise calls it: ``tgram``."""
        return self.url.get_secret_value().partition("://")[0]


class Addresses(_Strict):
    """Every way to reach one recipient; each is optional."""

    email: Email | None = None
    sms: Phone | None = None
    push: list[PushAddress] = Field(default_factory=list, max_length=20)
    webhook: WebhookAddress | None = None
    apprise: AppriseAddress | None = None

    def has(self, channel: Channel) -> bool:
        """Whether ``channel`` can reach this recipient. The inbox needs no address."""
        return channel is Channel.INBOX or bool(getattr(self, channel.value))

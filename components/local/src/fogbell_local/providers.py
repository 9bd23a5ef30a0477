"""The sink's SMS gateways and FCM, as settings of the components that use them. Pure.

Whoever names a provider of their own in the environment keeps it: the sink's are not mixed in.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fogbell_local.sink import sms

GATEWAYS = ("gateway-a", "gateway-b")
"""In the order in which a worker asks them."""

FCM = "fcm"
CHANNELS = "email,webhook,inbox,sms,push"
SEND_TIMEOUT = "3"
"""Seconds. They are on this machine, and a claim must hold for longer than a send."""

_OWN_SMS = ("FOGBELL_SMS__ACCOUNT_SID", "FOGBELL_PROVIDERS__SMS")
_OWN_PUSH = (
    "FOGBELL_PUSH__FCM_CREDENTIALS",
    "FOGBELL_PUSH__FCM_CREDENTIALS_FILE",
    "FOGBELL_PROVIDERS__PUSH",
)


@dataclass(frozen=True, slots=True)
class LocalProviders:
    """Where they are: the gateways' URLs by name, FCM's, and the key file that opens it."""

    sms: Mapping[str, str]
    fcm: str
    service_account: Path

    def of_worker(self, environ: Mapping[str, str]) -> dict[str, str]:
        """What a worker is told of them; nothing of a channel where ``environ`` names its own."""
        told: dict[str, str] = {}
        if not any(name in environ for name in _OWN_SMS):
            told |= self._sms()
        if not any(name in environ for name in _OWN_PUSH):
            told |= self._push()
        return {**told, **{name: environ[name] for name in told if name in environ}}

    def _sms(self) -> dict[str, str]:
        told = {"FOGBELL_PROVIDERS__SMS": ",".join(self.sms)}
        for name, url in self.sms.items():
            group = f"FOGBELL_PROVIDER__{name.replace('-', '_').upper()}__"
            told |= {
                f"{group}KIND": "twilio",
                f"{group}BASE_URL": url,
                f"{group}ACCOUNT_SID": sms.ACCOUNT,
                f"{group}AUTH_TOKEN": sms.TOKEN,
                f"{group}SENDER": sms.SENDER,
                f"{group}SEND_TIMEOUT": SEND_TIMEOUT,
            }
        return told

    def _push(self) -> dict[str, str]:
        return {
            "FOGBELL_PUSH__FCM_BASE_URL": self.fcm,
            "FOGBELL_PUSH__FCM_CREDENTIALS_FILE": str(self.service_account),
            "FOGBELL_PUSH__SEND_TIMEOUT": SEND_TIMEOUT,
        }


def offered(environ: Mapping[str, str]) -> dict[str, str]:
    """What intake is told: posts may name every channel, unless ``environ`` says which."""
    name = "FOGBELL_OFFERED_CHANNELS"
    return {name: environ.get(name, CHANNELS)}

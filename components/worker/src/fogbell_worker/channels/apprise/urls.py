"""Which URLs are given to Apprise. Pure.

Source for what the parameters do: Apprise's plugins, version 2.2 (https://appriseit.com/services/).
"""

from urllib.parse import parse_qsl

from fogbell.model.outcome import Fault, Outcome, Reply

NEVER = frozenset(
    {"blink1", "dbus", "gio", "glib", "gnome", "kde", "macosx", "qt", "syslog", "windows"}
    | {"fcm", "vapid"}
)
"""Schemes that no list can allow: they act on the worker's own machine, or read key files from it
by a name that stands in the address (the push channel serves those two)."""

_READS_FILES = ("keyfile", "subfile", "pgp")
"""How the parameters begin that name files of the worker."""


def scheme_of(url: str) -> str:
    """The part before ``://`` in lower case; "" where there is none."""
    scheme, found, _ = url.partition("://")
    return scheme.lower() if found else ""


def refusal(url: str, schemes: frozenset[str]) -> Reply | None:
    """Why ``url`` is not given to Apprise, or None. Nothing of the URL is in the reply."""
    scheme = scheme_of(url)
    if scheme not in schemes or scheme in NEVER:
        detail = "the worker's FOGBELL_APPRISE__SCHEMES do not have this scheme"
        # another provider of the channel may have another list
        return Reply(
            Outcome.PERMANENT, reason="scheme_refused", detail=detail, fault=Fault.PROVIDER
        )
    if any(name.startswith(_READS_FILES) for name in _parameters(url)):
        return bad_address("a parameter names a file of the worker")
    return None


def bad_address(detail: str) -> Reply:
    """The reply for a URL that can never be sent to."""
    return Reply(Outcome.PERMANENT, reason="bad_address", detail=detail)


def _parameters(url: str) -> list[str]:
    query = url.partition("?")[2].replace("?", "&").replace(";", "&")
    return [name.strip().lower() for name, _ in parse_qsl(query, keep_blank_values=True)]

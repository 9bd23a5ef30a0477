"""Google's service account key: what is in it, and what is wrong with it.

Source: the format that the Google Cloud and Firebase consoles give out
(https://cloud.google.com/iam/docs/keys-create-delete), read by google-auth.
"""

import json
from dataclasses import dataclass

from google.oauth2.service_account import Credentials

SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
"""What an access token for sending has to cover (FCM's "Authorize send requests")."""


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """The project that the account belongs to, and what signs for it."""

    project: str
    credentials: Credentials


def read_service_account(text: str) -> ServiceAccount:
    """The account in a key file's JSON. Raises ValueError in words that repeat nothing of it."""
    try:
        info = json.loads(text)
    except ValueError:
        raise ValueError("expected the JSON of a service account's key") from None
    if not isinstance(info, dict) or info.get("type") != "service_account":
        raise ValueError('expected a service account\'s key, with "type": "service_account"')
    project = info.get("project_id")
    if not isinstance(project, str) or not project:
        raise ValueError("the service account's key names no project_id")
    try:
        credentials = Credentials.from_service_account_info(info, scopes=[SCOPE])  # type: ignore[no-untyped-call] # google-auth types none of its functions
    except ValueError:
        raise ValueError("the service account's key is incomplete, or no RSA key") from None
    return ServiceAccount(project, credentials)

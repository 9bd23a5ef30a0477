import base64
import json
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from fogbell_worker.channels.webhook.signature import (
    BadSecretError,
    decode_secret,
    sign,
    webhook_headers,
)

KEYS = st.binary(min_size=1, max_size=64)
BODIES = st.dictionaries(st.text(st.characters(codec="utf-8")), st.integers() | st.text())


def whsec(key: bytes) -> str:
    return "whsec_" + base64.b64encode(key).decode()


@given(KEYS, st.uuids(), st.integers(0, 2**33), BODIES)
def test_signatures_are_those_of_the_reference(
    key: bytes, message: object, timestamp: int, data: dict[str, object]
) -> None:
    body = json.dumps(data)
    moment = datetime.fromtimestamp(timestamp, UTC)
    expected = Webhook(whsec(key)).sign(str(message), moment, body)
    assert sign(key, str(message), timestamp, body.encode()) == expected


@given(st.lists(KEYS, min_size=1, max_size=4), BODIES)
def test_each_of_several_secrets_verifies_so_that_keys_can_rotate(
    keys: list[bytes], data: dict[str, object]
) -> None:
    body = json.dumps(data).encode()
    headers = webhook_headers([whsec(key) for key in keys], "msg", int(time.time()), body)
    assert headers["webhook-signature"].count("v1,") == len(keys)
    for key in keys:
        assert Webhook(whsec(key)).verify(body, headers) == data


def test_another_body_does_not_verify() -> None:
    headers = webhook_headers([whsec(b"k" * 24)], "msg", int(time.time()), b'{"a":1}')
    with pytest.raises(WebhookVerificationError):
        Webhook(whsec(b"k" * 24)).verify(b'{"a":2}', headers)


def test_without_secrets_there_is_no_signature_header() -> None:
    assert webhook_headers([], "msg", 17, b"") == {"webhook-id": "msg", "webhook-timestamp": "17"}


@given(KEYS)
def test_prefix_and_padding_may_be_missing(key: bytes) -> None:
    secret = whsec(key)
    bare = secret.removeprefix("whsec_").rstrip("=")
    assert decode_secret(secret) == decode_secret(bare) == key


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_%%%", "whsec_a", "whsec_ä", "whsec_a b="])
def test_what_is_not_base64_is_refused_without_being_repeated(secret: str) -> None:
    with pytest.raises(BadSecretError) as caught:
        decode_secret(secret)
    assert str(caught.value) == "expected a signing secret such as whsec_ followed by base64"

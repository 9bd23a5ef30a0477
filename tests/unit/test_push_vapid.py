import re

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st
from tests.support.webpush import read_token

from fogbell_worker.channels.push.vapid import Vapid, b64url, b64url_decode, origin, public_bytes

KEY = ec.generate_private_key(ec.SECP256R1())
NOW = 1_790_000_000
HOUR = 3600


def make() -> Vapid:
    return Vapid(KEY, "mailto:ops@example.org")


def parts(header: str) -> tuple[str, str]:
    found = re.fullmatch(r"vapid t=([\w.-]+), k=([\w-]+)", header)
    assert found
    return found[1], found[2]


def test_a_token_names_the_service_the_contact_and_its_end() -> None:
    token, key = parts(make().authorization("https://push.example.net/p/JzLQ3raZ", NOW))
    assert b64url_decode(key) == public_bytes(KEY.public_key())
    assert read_token(token, KEY.public_key()) == {
        "aud": "https://push.example.net",
        "exp": NOW + 12 * HOUR,
        "sub": "mailto:ops@example.org",
    }
    with pytest.raises(InvalidSignature):
        read_token(token, ec.generate_private_key(ec.SECP256R1()).public_key())


def test_a_service_keeps_its_token_and_gets_no_other_services() -> None:
    vapid = make()
    first = vapid.authorization("https://a.example/1", NOW)
    assert vapid.authorization("https://a.example/2", NOW + 6 * HOUR - 1) == first
    assert vapid.authorization("https://b.example/1", NOW) != first


@given(st.integers(-48 * HOUR, 48 * HOUR))
def test_a_token_is_never_used_when_it_has_ended_or_ends_too_late(later: int) -> None:
    vapid = make()
    vapid.authorization("https://a.example/1", NOW)
    token, _ = parts(vapid.authorization("https://a.example/1", NOW + later))
    assert 0 < read_token(token, KEY.public_key())["exp"] - (NOW + later) <= 24 * HOUR


def test_the_tokens_kept_are_bounded() -> None:
    vapid = make()
    for number in range(300):
        vapid.authorization(f"https://{number}.example/", NOW)
    assert len(vapid._kept) == 256


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://push.example.net/p", "https://push.example.net"),
        ("https://PUSH.example.net:443/p", "https://push.example.net"),
        ("https://push.example.net:8443/p?q", "https://push.example.net:8443"),
        ("http://[::1]:80/p", "http://[::1]"),
    ],
)
def test_an_audience_is_an_origin(url: str, expected: str) -> None:
    assert origin(url) == expected


@given(st.binary(max_size=100))
def test_base64url_comes_back_with_and_without_padding(data: bytes) -> None:
    text = b64url(data)
    assert not set(text) & set("+/=")
    assert b64url_decode(text) == b64url_decode(text + "=" * (-len(text) % 4)) == data

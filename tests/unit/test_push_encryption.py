"""Web Push encryption against the RFC's own example, and against a receiver of our own."""

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st
from tests.support.webpush import Browser

from fogbell_worker.channels.push.encryption import (
    LONGEST_MESSAGE,
    BadSubscriptionError,
    SubscriptionKeys,
    encrypt,
)
from fogbell_worker.channels.push.vapid import b64url, b64url_decode, read_private_key

BROWSER = Browser()


def test_the_example_of_rfc_8291_comes_out() -> None:
    keys = SubscriptionKeys.read(
        "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
        ".BTBZMqHH6r4Tts7J_aSIgg"
    )
    body = encrypt(
        b"When I grow up, I want to be a watermelon",
        keys,
        private_key=read_private_key("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"),
        salt=b64url_decode("DGv6ra1nlYgDCS1FRnbzlw"),
    )
    assert b64url(body) == (
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS"
        "6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qu"
        "lcy4a-fN"
    )


@given(st.binary(max_size=LONGEST_MESSAGE).filter(lambda m: not m.endswith((b"\x00", b"\x02"))))
def test_the_browser_reads_what_was_sent(message: bytes) -> None:
    body = encrypt(message, SubscriptionKeys.read(BROWSER.keys))
    assert len(body) <= 4096
    assert BROWSER.decrypt(body) == message


def test_nobody_else_reads_it() -> None:
    body = encrypt(b"secret", SubscriptionKeys.read(BROWSER.keys))
    with pytest.raises(InvalidTag):
        Browser(auth=BROWSER.auth).decrypt(body)
    with pytest.raises(InvalidTag):
        Browser(key=BROWSER.key).decrypt(body)


def test_no_two_messages_share_a_key() -> None:
    keys = SubscriptionKeys.read(BROWSER.keys)
    first, second = encrypt(b"same", keys), encrypt(b"same", keys)
    assert first[:16] != second[:16]
    assert first[21:86] != second[21:86]


def test_the_longest_message_fills_a_body_of_4096_bytes() -> None:
    keys = SubscriptionKeys.read(BROWSER.keys)
    assert len(encrypt(b"x" * LONGEST_MESSAGE, keys)) == 4096
    with pytest.raises(ValueError, match="at most"):
        encrypt(b"x" * (LONGEST_MESSAGE + 1), keys)


@pytest.mark.parametrize("token", ["", "AA.AA", BROWSER.keys[:-4], BROWSER.keys + ".x", "ü.ü"])
def test_keys_that_are_none_are_refused(token: str) -> None:
    with pytest.raises(BadSubscriptionError):
        SubscriptionKeys.read(token)


def test_a_point_that_is_not_on_the_curve_is_refused() -> None:
    with pytest.raises(BadSubscriptionError):
        encrypt(b"x", SubscriptionKeys(b"\x04" + b"\x01" * 64, b"a" * 16))


@given(st.binary(min_size=32, max_size=32))
def test_a_private_key_is_read_or_refused_by_the_curve(raw: bytes) -> None:
    number = int.from_bytes(raw, "big")
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    if 0 < number < order:
        key = read_private_key(b64url(raw))
        assert isinstance(key.curve, ec.SECP256R1)
        assert key.private_numbers().private_value == number
    else:
        with pytest.raises(ValueError, match="P-256"):
            read_private_key(b64url(raw))

"""Recipients' tokens: only the untampered, unexpired ones of a present secret open anything."""

import string
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, TypeAdapter, ValidationError

from fogbell_intake.tokens import (
    ExpiredTokenError,
    InvalidTokenError,
    TokenSecret,
    TokenSigner,
)

NOW = datetime(2026, 12, 1, 9, 0, 0, 123_000, tzinfo=UTC)
HOUR = timedelta(hours=1)
OLD, NEW = "o" * 32, "n" * 32
SIGNER = TokenSigner(SecretStr(NEW))

recipient_ids = st.from_regex(r"[A-Za-z0-9._:@-]{1,128}", fullmatch=True)
characters = st.sampled_from(string.ascii_letters + string.digits + "-_.=+/ \n\0é")


@given(recipient_ids)
def test_a_token_says_whose_inbox_it_opens_and_until_when(recipient_id: str) -> None:
    token, issued = SIGNER.issue(recipient_id, NOW)
    assert SIGNER.verify(token, NOW) == issued
    assert issued.recipient_id == recipient_id
    assert issued.expires_at == datetime(2026, 12, 1, 10, tzinfo=UTC)


@given(recipient_ids, st.data())
def test_a_token_with_any_character_changed_is_refused(
    recipient_id: str, data: st.DataObject
) -> None:
    token, _ = SIGNER.issue(recipient_id, NOW)
    place = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(characters.filter(lambda c: c != token[place]))
    with pytest.raises(InvalidTokenError):
        SIGNER.verify(token[:place] + other + token[place + 1 :], NOW)


@given(recipient_ids, st.data())
def test_a_token_cut_short_or_prolonged_is_refused(recipient_id: str, data: st.DataObject) -> None:
    token, _ = SIGNER.issue(recipient_id, NOW)
    cut = token[: data.draw(st.integers(0, len(token) - 1))]
    longer = token + data.draw(st.text(characters, min_size=1, max_size=1000))
    for changed in (cut, longer):
        with pytest.raises(InvalidTokenError):
            SIGNER.verify(changed, NOW)


@given(st.text(max_size=600))
def test_any_other_text_is_refused_and_raises_nothing_else(text: str) -> None:
    for candidate in (text, f"fbi_{text}", f"fbi_{text}.{'A' * 43}"):
        with pytest.raises(InvalidTokenError):
            SIGNER.verify(candidate, NOW)


@given(recipient_ids, recipient_ids)
def test_the_signature_of_one_token_does_not_fit_another(one: str, other: str) -> None:
    payload = SIGNER.issue(one, NOW)[0].split(".")[0]
    mac = SIGNER.issue(other, NOW + HOUR)[0].split(".")[1]
    with pytest.raises(InvalidTokenError):
        SIGNER.verify(f"{payload}.{mac}", NOW)


@given(st.integers(0, 10**10))
def test_a_token_ends_with_its_time_and_not_before(microseconds: int) -> None:
    token, issued = SIGNER.issue("ann", NOW)
    lasting = issued.expires_at - timedelta(microseconds=microseconds + 1)
    assert SIGNER.verify(token, lasting) == issued
    with pytest.raises(ExpiredTokenError):
        SIGNER.verify(token, issued.expires_at + timedelta(microseconds=microseconds))


def test_a_tampered_token_is_invalid_rather_than_expired() -> None:
    token, _ = SIGNER.issue("ann", NOW)
    with pytest.raises(InvalidTokenError):
        SIGNER.verify(token[:-1] + ("A" if token[-1] != "A" else "B"), NOW + 2 * HOUR)


def test_the_first_secret_signs_and_every_secret_is_believed() -> None:
    before, during, after = (
        TokenSigner(SecretStr(secrets)) for secrets in (OLD, f"{NEW}, {OLD}", NEW)
    )
    old, new = before.issue("ann", NOW)[0], during.issue("ann", NOW)[0]
    assert during.verify(old, NOW) == during.verify(new, NOW) == after.verify(new, NOW)
    with pytest.raises(InvalidTokenError):
        before.verify(new, NOW)
    with pytest.raises(InvalidTokenError):
        after.verify(old, NOW)


def test_the_lifetime_is_a_setting() -> None:
    signer = TokenSigner(SecretStr(NEW), timedelta(seconds=90))
    assert signer.issue("ann", NOW)[1].expires_at == NOW.replace(microsecond=0) + timedelta(0, 90)


@pytest.mark.parametrize("secrets", ["", "short", "s" * 31, f"{NEW},", f"{NEW},short"])
def test_a_short_secret_is_refused_without_being_shown(secrets: str) -> None:
    with pytest.raises(ValidationError, match="at least 32") as caught:
        TypeAdapter(TokenSecret).validate_python(secrets)
    if secrets:
        assert f"'{secrets}'" not in str(caught.value.errors(include_input=False))


def test_a_token_shows_no_secret() -> None:
    assert NEW not in SIGNER.issue("ann", NOW)[0]
    assert NEW not in repr(SIGNER)

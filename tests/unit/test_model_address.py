"""Addresses and ids of recipients: what is taken, and what is refused."""

import string
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import SecretStr, TypeAdapter, ValidationError

from fogbell.model.address import (
    Addresses,
    RecipientId,
    check_apprise_url,
    check_email,
    check_phone,
    check_url,
)
from fogbell.model.recipient import Recipient
from fogbell.model.status import Channel

GOOD_EMAILS = [
    "ann@example.org",
    "a@b",
    "ann+tag@localhost",
    "o'brien@relay.default.svc.cluster.local",
    "!#$%&'*+/=?^_`{|}~-@x.test",
    "a" * 64 + "@" + ".".join(["b" * 63, "c" * 63, "d" * 63, "e" * 61]),
]
BAD_EMAILS = [
    "",
    "@",
    "ann",
    "ann@",
    "@example.org",
    "ann@@example.org",
    "ann@example..org",
    "ann@.example.org",
    "ann@example.org.",
    "ann@-example.org",
    "ann@example-.org",
    "ann@exa_mple.org",
    "ann@[127.0.0.1]",
    ".ann@example.org",
    "ann.@example.org",
    "a..nn@example.org",
    '"ann"@example.org',
    "ann @example.org",
    "ann@example.org ",
    "ann@example.org\n",
    "ann\r\nBcc: eve@example.org@example.org",
    "ann@example.org\r\nBcc: eve@example.org",
    "ann@example.org,eve@example.org",
    "<ann@example.org>",
    "ann\x00@example.org",
    "änn@example.org",
    "ann@exämple.org",
    "ann@exampl\u0435.org",
    "ann@１２３.org",
    "a" * 65 + "@example.org",
    "a@" + "b" * 64,
    "a@" + ".".join(["b" * 63] * 4),
]


@pytest.mark.parametrize("address", GOOD_EMAILS)
def test_an_address_that_can_be_mailed_is_taken(address: str) -> None:
    assert check_email(address) == address
    assert Addresses(email=address).email == address


@pytest.mark.parametrize("address", BAD_EMAILS)
def test_an_address_that_no_relay_would_take_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="e-mail address"):
        check_email(address)
    with pytest.raises(ValidationError):
        Addresses(email=address)


def test_a_domain_is_kept_in_small_letters_and_a_mailbox_as_it_is() -> None:
    assert check_email("Ann@Example.ORG") == "Ann@example.org"


@given(st.text(max_size=80))
@example("a@b\x85")
@example("a@b\u2028")
@example("\ud800@b")
def test_whatever_is_taken_as_an_address_cannot_break_a_header(text: str) -> None:
    for value in (text, f"{text}@example.org", f"ann@{text}"):
        try:
            taken = check_email(value)
        except ValueError:
            continue
        assert taken.isascii()
        assert taken.isprintable()
        assert not set(taken) & set(' ,;:<>()[]"\\\r\n')
        assert taken.count("@") == 1
        assert check_email(taken) == taken


@given(st.text(alphabet=string.ascii_letters + string.digits + "._:@-", min_size=1, max_size=128))
def test_a_recipients_id_is_of_these_characters(text: str) -> None:
    assert TypeAdapter(RecipientId).validate_python(text) == text


@pytest.mark.parametrize("text", ["", "a b", "a\n", "\na", "~a", "ä", "a/b", "$a", "x" * 129])
def test_a_recipients_id_has_nothing_else(text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(RecipientId).validate_python(text)


@pytest.mark.parametrize("number", ["+31612345678", "+1234567", "+123456789012345"])
def test_a_number_in_e164_is_taken(number: str) -> None:
    assert check_phone(number) == number


@pytest.mark.parametrize(
    "number",
    [
        "",
        "0612345678",
        "+0612345678",
        "+31 612345678",
        "+123456",
        "+1234567890123456",
        "+3161234567\n",
        "+٣١٦١٢٣٤٥٦٧٨",
    ],
)
def test_any_other_number_is_refused(number: str) -> None:
    with pytest.raises(ValueError, match=r"E\.164"):
        check_phone(number)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org",
        "http://localhost:8080/hook?a=b&c=%20",
        "https://[2001:db8::1]:8443/",
        "HTTPS://EXAMPLE.ORG/x",
        "http://10.0.0.1/",
        "https://example.org/" + "a" * 2028,
    ],
)
def test_an_absolute_url_is_taken_as_it_is(url: str) -> None:
    assert check_url(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.org",
        "//example.org/",
        "/hook",
        "ftp://example.org/",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "http://",
        "http:///path",
        "http://user@example.org/",
        "http://user:pass@example.org/",
        "http://:@example.org/",
        "http://@example.org/",
        "http://example.org/#top",
        "http://example.org/#",
        "http://example.org:port/",
        "http://example.org:65536/",
        "http://[::1/",
        "http://example.org/a b",
        "http://example.org/\r\nHost: evil",
        "http://example.org/\x00",
        "http://exämple.org/",
        "http://example.org\\@evil.example/",
        "http://evil.example\\.example.org/",
        "https://example.org/" + "a" * 2029,
    ],
)
def test_a_url_that_readers_may_disagree_about_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"expected|[Pp]ort|IPv6"):
        check_url(url)


@given(st.text(max_size=60))
def test_any_text_is_a_url_or_refused_and_nothing_else(text: str) -> None:
    for value in (text, f"http://{text}", f"https://example.org/{text}"):
        try:
            assert check_url(value) == value
        except ValueError:
            continue
        assert value.isascii()
        assert value.isprintable()


def test_a_recipient_is_reached_where_there_is_an_address_and_always_in_the_inbox() -> None:
    def reached(**addresses: Any) -> set[Channel]:
        return {c for c in Channel if Addresses.model_validate(addresses).has(c)}

    assert reached() == {Channel.INBOX}
    assert reached(push=[]) == {Channel.INBOX}
    everything = reached(
        email="a@b",
        sms="+31612345678",
        push=[{"provider": "fcm", "token": "t"}],
        webhook={"url": "http://x/"},
        apprise={"url": "tgram://1/2"},
    )
    assert everything == set(Channel)


@pytest.mark.parametrize(
    "push",
    [
        {"provider": "fcm"},
        {"provider": "fcm", "token": ""},
        {"provider": "webpush", "url": "push.example.org"},
        {"provider": "FCM", "token": "t"},
        {"token": "t"},
        {"provider": "fcm", "token": "t", "more": 1},
    ],
)
def test_a_push_address_is_a_provider_and_a_token_or_a_url(push: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Addresses.model_validate({"push": [push]})


def test_a_webhooks_secrets_never_show() -> None:
    addresses = Addresses.model_validate({"webhook": {"url": "http://x/", "secrets": ["whsec_k"]}})
    assert "whsec_k" not in repr(addresses) + str(addresses) + addresses.model_dump_json()
    recipient = Recipient(id="ann", addresses=addresses, attributes={"a": 1})
    assert "addresses" not in recipient.template_view()


def test_all_of_an_apprise_url_but_its_scheme_never_shows() -> None:
    addresses = Addresses.model_validate({"apprise": {"url": "TGram://12:Tok3n/Chat7"}})
    assert addresses.apprise is not None
    assert addresses.apprise.scheme == "tgram"
    assert addresses.apprise.url.get_secret_value() == "tgram://12:Tok3n/Chat7"
    shown = repr(addresses) + str(addresses) + addresses.model_dump_json()
    assert "Tok3n" not in shown
    assert "Chat7" not in shown


@pytest.mark.parametrize(
    "url",
    [
        "",
        "tgram",
        "tgram:",
        "tgram://",
        "://token",
        " tgram://token",
        "tgram ://token",
        "tgram://to ken",
        "tgram://token\n",
        "tgram://tök€n",
        "t-gram://token",
        "a" * 33 + "://token",
        "tgram://" + "t" * 2041,
    ],
)
def test_what_is_no_single_apprise_url_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Addresses.model_validate({"apprise": {"url": url}})
    (error,) = caught.value.errors()
    assert not url or url not in error["msg"].replace("tgram://TOKEN/CHAT", "")


@given(st.text(max_size=60))
def test_an_apprise_url_has_one_scheme_that_nobody_reads_otherwise(text: str) -> None:
    for value in (text, f"tgram://{text}", f"json://a,{text}"):
        try:
            stored = check_apprise_url(SecretStr(value)).get_secret_value()
        except ValueError:
            continue
        scheme, _, rest = stored.partition("://")
        assert scheme.isascii()
        assert scheme.isalnum()
        assert scheme == scheme.lower()
        assert value.partition("://") == (value[: len(scheme)], "://", rest)
        assert rest.isascii()
        assert rest.isprintable()
        assert " " not in rest

"""Addresses, content, recipients, notifications: what is taken, and what is refused."""

import string
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError
from tests.support.notifications import new_notification

from fogbell.identity import uuid7
from fogbell.model.address import (
    Addresses,
    RecipientId,
    check_email,
    check_phone,
    check_url,
)
from fogbell.model.content import (
    ALLOWED_HEADERS,
    MAX_SOURCE,
    Content,
    EmailContent,
    Template,
    locale_chain,
)
from fogbell.model.delivery import Claimed
from fogbell.model.notification import Audience, InlineAddress, NamedRecipient, Progress
from fogbell.model.recipient import Recipient
from fogbell.model.status import Channel, DeliveryStatus, Lane, NotificationStatus

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)

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


def _email(**fields: Any) -> EmailContent:
    return EmailContent.model_validate({"subject": "Hi", "text": "T", **fields})


@pytest.mark.parametrize("break_", ["\r", "\n", "\r\n", "\r\nBcc: eve@example.org"])
@pytest.mark.parametrize("field", ["subject", "from", "reply_to", "header"])
def test_no_line_break_reaches_a_header(field: str, break_: str) -> None:
    value = f"ann@example.org{break_}"
    fields: dict[str, Any] = {field: value}
    if field == "header":
        fields = {"headers": {"List-Id": value}}
    with pytest.raises(ValidationError):
        _email(**fields)


@given(st.text(max_size=30))
@example("List-Id\r\nBcc")
@example("Bcc")
@example("List-Id ")
@example("Lıst-Id")
def test_only_headers_of_the_list_can_be_set(name: str) -> None:
    if name.lower() in ALLOWED_HEADERS:
        return
    with pytest.raises(ValidationError, match="cannot be set"):
        _email(headers={name: "x"})


@pytest.mark.parametrize("name", sorted(ALLOWED_HEADERS))
def test_a_header_of_the_list_is_taken_in_any_case(name: str) -> None:
    assert _email(headers={name.title(): "x"}).headers == {name.title(): "x"}


def test_the_headers_that_say_who_and_to_whom_are_never_on_the_list() -> None:
    ours = {"from", "to", "cc", "bcc", "sender", "subject", "date", "message-id", "reply-to"}
    ours |= {"mime-version", "content-type", "content-transfer-encoding", "return-path", "received"}
    ours |= {"dkim-signature"}
    assert not ours & ALLOWED_HEADERS


@pytest.mark.parametrize(
    "fields",
    [
        {"text": None},
        {"subject": ""},
        {"subject": "x" * 2_001},
        {"text": "x" * (MAX_SOURCE + 1)},
        {"html": 1},
        {"attachments": []},
        {"reply_to": "nobody"},
    ],
)
def test_an_email_without_a_body_or_with_anything_unknown_is_refused(
    fields: dict[str, Any],
) -> None:
    with pytest.raises(ValidationError):
        _email(**fields)


def _content(**parts: Any) -> Content:
    return Content.model_validate(parts)


def test_a_part_is_that_of_its_channel() -> None:
    content = _content(email={"subject": "Hi", "text": "T"}, inbox={"title": "Hi"})
    assert content.part(Channel.EMAIL) is content.email
    assert content.part(Channel.INBOX) is content.inbox
    assert content.part(Channel.SMS) is None


@given(st.lists(st.sampled_from(["de", "AT", "Latn", "x1"]), min_size=1, max_size=4))
def test_a_locale_falls_back_to_less_and_less_of_itself(parts: list[str]) -> None:
    locale = "-".join(parts)
    chain = locale_chain(locale, "en")
    assert chain == ["-".join(parts[:n]) for n in range(len(parts), 0, -1)] + ["en"]


def test_a_template_speaks_the_nearest_locale_that_has_the_channel() -> None:
    assert locale_chain(None, "en") == ["en"]
    assert locale_chain("en-GB", "en") == ["en-GB", "en"]

    def title(text: str) -> dict[str, Any]:
        return {"inbox": {"title": text}}

    sms = {"sms": {"text": "nur kurz"}}
    template = Template.model_validate(
        {"name": "t", "version": 1, "locales": {"en": title("en"), "de": title("de"), "de-AT": sms}}
    )

    def spoken(locale: str | None, channel: Channel = Channel.INBOX) -> Any:
        part = template.part(channel, locale)
        return part and part.model_dump().get("title")

    assert [spoken(x) for x in ("de-AT", "de-CH", "fr", None)] == ["de", "de", "en", "en"]
    assert template.part(Channel.SMS, "de-AT") is not None
    assert template.part(Channel.SMS, "en") is None


@pytest.mark.parametrize("name", ["", "A", "-a", "a b", "a\n", "a/b", "ä", "a" * 65])
def test_a_templates_name_is_of_small_letters(name: str) -> None:
    with pytest.raises(ValidationError):
        Template.model_validate(
            {"name": name, "version": 1, "locales": {"en": {"sms": {"text": "x"}}}}
        )


@pytest.mark.parametrize(
    "fields",
    [
        {"locale": "german"},
        {"locale": "de_AT"},
        {"locale": "de\n"},
        {"time_zone": "Mars/Olympus"},
        {"time_zone": "../../etc/passwd"},
        {"groups": ["a b"]},
        {"attributes": {"a.b": 1}},
        {"attributes": {"$a": 1}},
        {"attributes": {"a\n": 1}},
        {"attributes": {"a" * 65: 1}},
        {"attributes": {f"a{n}": n for n in range(201)}},
        {"phone": "+31612345678"},
    ],
)
def test_a_recipient_with_anything_unheard_of_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Recipient.model_validate({"id": "ann", **fields})


@pytest.mark.parametrize("model", [Recipient, Content, Template, Addresses, EmailContent])
def test_every_record_of_the_interface_is_frozen_and_refuses_what_it_does_not_know(
    model: type[BaseModel],
) -> None:
    assert model.model_config["extra"] == "forbid"
    assert model.model_config["frozen"]


def test_an_audience_knows_what_it_names_and_what_it_asks_for() -> None:
    named = Audience((NamedRecipient("ann"),), (InlineAddress("~1", {"email": "a@b"}),))
    assert (named.named, named.queries_directory) == (2, False)
    for asked in (Audience(groups=("a",)), Audience(match={"a": 1}), Audience(everyone=True)):
        assert (asked.named, asked.queries_directory) == (0, True)


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({}, "expanding"),
        ({"send_at": NOW + timedelta(seconds=1)}, "scheduled"),
        ({"send_at": NOW}, "expanding"),
        ({"expanded_at": NOW}, "sending"),
        ({"expanded_at": NOW, "settled_at": NOW}, "settled"),
        ({"expanded_at": NOW, "settled_at": NOW, "cancelled_at": NOW}, "cancelled"),
        ({"send_at": NOW + timedelta(seconds=1), "cancelled_at": NOW}, "cancelled"),
    ],
)
def test_a_notifications_status_follows_from_its_times(fields: dict[str, Any], status: str) -> None:
    assert new_notification(**fields).status(NOW) is NotificationStatus(status)


def test_outstanding_is_what_is_not_settled() -> None:
    totals = {status: 10**place for place, status in enumerate(DeliveryStatus)}
    outstanding = sum(number for status, number in totals.items() if not status.settled)
    assert Progress(totals, {}).outstanding == outstanding
    assert Progress({}, {}).outstanding == 0


def test_a_replay_has_an_idempotency_key_of_its_own() -> None:
    def claimed(replays: int) -> Claimed:
        return Claimed(one, "t", one, "ann", Channel.EMAIL, Lane.BULK, NOW, replays=replays)

    one = uuid7()
    keys = [claimed(number).idempotency_key for number in range(3)]
    assert keys == [str(one), f"{one}-1", f"{one}-2"]

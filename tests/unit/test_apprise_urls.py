"""Which URLs reach Apprise: those of the operator's list, and no others."""

import contextlib
import logging
import string
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from fogbell.model.address import AppriseAddress, check_apprise_url
from fogbell.model.outcome import Fault, Outcome, Reply
from fogbell.rendering import RenderedApprise
from fogbell_worker.channels.apprise import AppriseSettings, library
from fogbell_worker.channels.apprise.classify import classify, classify_pause
from fogbell_worker.channels.apprise.urls import NEVER, refusal, scheme_of

LIMITS = library.Limits(2.0, 3.0)
SERVED = frozenset({"tgram", "slack", "gotify"})
SLACK = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/"

tails = st.text(string.ascii_letters + string.digits + ":/?#@&=%,.-+[]\\", max_size=40)
schemes = st.sampled_from(["json", "tgram", "slack", "syslog", "file", "gotify", "Json", "xtgram"])
urls = st.one_of(
    st.text(max_size=40),
    st.builds("{}://{}".format, schemes, tails),
    st.builds("{}://{}://{}".format, schemes, schemes, tails),
)


@given(urls)
@example("tgram://json://127.0.0.1")
@example("tgram:json://127.0.0.1")
@example("json://h?x=tgram://1:a/2")
@example(" json://127.0.0.1")
@example("TGRAM://1:a/2")
def test_no_scheme_outside_the_list_ever_reaches_apprise(url: str) -> None:
    scheme = scheme_of(url)
    if refusal(url, SERVED) is not None:
        return
    assert scheme in SERVED
    try:
        target = library.Target(scheme, url, LIMITS)
    except library.BadTargetError:
        return
    assert scheme in target._plugin.schemas()


@given(st.sampled_from(sorted(library.schemes() - NEVER)), tails)
def test_whatever_a_url_says_the_limits_stand(scheme: str, tail: str) -> None:
    asked = "cto=99&rto=99&retry=5&wait=9&redirect=yes&verify=no&overflow=split&store=yes"
    try:
        target = library.Target(scheme, f"{scheme}://{tail}{'&' if '?' in tail else '?'}{asked}",
                                LIMITS)  # fmt: skip
    except library.BadTargetError:
        return
    plugin = target._plugin
    assert plugin.request_timeout == (2.0, 3.0)
    assert (plugin.redirects, plugin.verify_certificate) == (False, True)
    assert (plugin.request_rate_per_sec, plugin.retry) == (0, 0)
    assert len(plugin) <= 1
    assert plugin.asset.storage_mode.value == "memory"


def test_what_an_address_stores_has_the_scheme_that_is_checked() -> None:
    stored = AppriseAddress(url=check_apprise_url(SecretStr("GOTIFY://h/t")))
    assert stored.scheme == scheme_of(stored.url.get_secret_value()) == "gotify"


@pytest.mark.parametrize(
    "url", ["json://169.254.169.254/", "syslog://", "mailto://u:p@h", "", "tgram", "://x"]
)
def test_a_refused_scheme_may_be_anothers(url: str) -> None:
    reply = refusal(url, SERVED)
    assert reply is not None
    assert (reply.outcome, reply.reason) == (Outcome.PERMANENT, "scheme_refused")
    assert reply.fault is Fault.PROVIDER  # a provider with another list may take it
    assert not url or url not in str(reply)


@pytest.mark.parametrize(
    "query",
    ["keyfile=/etc/passwd", "pgp=/x", "a=b&PGPpub=/x", "%6beyfile=/x", "a=1?subfile=x", "pgpprv"],
)
def test_no_parameter_names_a_file_of_the_worker(query: str) -> None:
    reply = refusal(f"gotify://h/t?{query}", SERVED)
    assert reply is not None
    assert (reply.outcome, reply.reason) == (Outcome.PERMANENT, "bad_address")


@pytest.mark.parametrize("template", ["/etc/passwd", "file:///etc/passwd", "http://h/x"])
def test_no_template_is_read_from_anywhere(template: str) -> None:
    with pytest.raises(library.BadTargetError, match="file"):
        library.Target("slack", f"{SLACK}?template={template}", LIMITS)


def test_an_address_is_one_target() -> None:
    library.Target("slack", SLACK + "#general", LIMITS)
    with pytest.raises(library.BadTargetError, match="several"):
        library.Target("slack", SLACK + "#general/#random", LIMITS)


def test_more_than_a_service_takes_is_known_before_it_is_asked() -> None:
    gotify = library.Target("gotify", "gotify://h/t", LIMITS)
    assert gotify.too_large("t" * 250, "b") is None
    assert "250" in (gotify.too_large("t" * 251, "b") or "")
    untitled = library.Target("tgram", "tgram://123456789:abcdefg_hijklmnop/1", LIMITS)
    assert untitled.too_large("", "b" * 4096) is None
    assert untitled.too_large("t", "b" * 4096) is not None


class _Kept(logging.Handler):
    """As the one that `configure_logging` puts at the root. caplog listens at Apprise's own."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def test_nothing_of_a_url_is_logged() -> None:
    root, kept = logging.getLogger(), _Kept()
    level = root.level
    root.addHandler(kept)
    root.setLevel("DEBUG")
    try:
        for url in ("pushy://s3cr3t", "gotify://127.0.0.1:1/s3cr3t", "slack://s3cr3t"):
            with contextlib.suppress(library.BadTargetError):
                library.Target(scheme_of(url), url, LIMITS).too_large("", "")
    finally:
        root.removeHandler(kept)
        root.setLevel(level)
    assert kept.lines == []


def test_what_names_its_host_is_known() -> None:
    for scheme in ("json", "xml", "form", "mailto", "ntfy", "gotify", "mmost", "nostr", "rsyslog"):
        assert library.names_host(scheme), scheme
    for scheme in ("tgram", "slack", "discord", "pover"):
        assert not library.names_host(scheme), scheme


def settings(**values: Any) -> AppriseSettings:
    return AppriseSettings.model_validate({"schemes": "tgram", **values})


@pytest.mark.parametrize(
    "given", ["tgram,slack", " tgram , Slack://", '["slack", "tgram"]', ["tgram", "slack"]]
)
def test_the_list_is_words_or_json(given: object) -> None:
    assert settings(schemes=given).schemes == {"tgram", "slack"}


WRONG_LISTS = ["", "pigeon", "tgram,,slack", "*", "tgram:// slack", [], '["tgram"', *sorted(NEVER)]


@pytest.mark.parametrize("given", WRONG_LISTS)
def test_a_list_names_what_apprise_has_and_nothing_local(given: object) -> None:
    with pytest.raises(ValidationError):
        settings(schemes=given)
    with pytest.raises(ValidationError):
        AppriseSettings.model_validate({})


def test_one_exchange_fits_into_the_time_limit() -> None:
    with pytest.raises(ValidationError, match="within send_timeout"):
        settings(connect_timeout=5, read_timeout=6, send_timeout=10)


def test_a_no_is_tried_again_and_a_silence_is_marked() -> None:
    def told(status: str | None, *, silent: bool = False) -> tuple[Outcome, str | None]:
        reply = classify(False, status, was_silent=silent)
        return reply.outcome, reply.reason

    assert classify(True, None, was_silent=True) == Reply(Outcome.ACCEPTED)
    assert told("401") == (Outcome.TRANSIENT, "refused")
    assert told("429") == (Outcome.TRANSIENT, "throttled")
    assert told("503", silent=True) == (Outcome.TRANSIENT, "unavailable")
    assert told(None) == (Outcome.TRANSIENT, "failed")
    assert told(None, silent=True) == (Outcome.AMBIGUOUS, "no_reply")
    assert classify_pause(1e9).retry_after == 86_400


def test_content_shows_in_no_detail() -> None:
    gotify = library.Target("gotify", "gotify://h/t", LIMITS)
    content = RenderedApprise("title", "secret " * 9_000)
    assert "secret" not in (gotify.too_large(content.title, content.body) or "")

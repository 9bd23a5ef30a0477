"""What a relay's answers mean."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fogbell.model.outcome import Outcome
from fogbell_worker.channels.email.classify import DETAIL_LENGTH, Stage, classify, scrub
from fogbell_worker.channels.email.replies import SmtpReply, smtp_reply

MAIL_STAGES = [Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.BODY]

CASES = [
    (Stage.BODY, "250 2.0.0 queued", "accepted", None),
    (Stage.BODY, "250 ok", "accepted", None),
    (Stage.RCPT, "450 4.7.1 Greylisted, see http://example.org", "transient", "greylisted"),
    (Stage.RCPT, "451 grey-listing in effect", "transient", "greylisted"),
    (Stage.RCPT, "452 4.2.2 over quota", "transient", "mailbox_full"),
    (Stage.RCPT, "452 full", "transient", "mailbox_full"),
    (Stage.MAIL, "452 4.3.1 disk", "transient", "relay_busy"),
    (Stage.MAIL, "552 5.3.1 Mail system full", "transient", "relay_busy"),
    (Stage.BODY, "552 5.3.1 Mail system full", "transient", "relay_busy"),
    (Stage.RCPT, "452 4.3.1 disk", "transient", "relay_busy"),
    (Stage.MAIL, "554 5.3.2 System not accepting messages", "transient", "relay_busy"),
    (Stage.MAIL, "421 too many", "transient", "throttled"),
    (Stage.RCPT, "450 4.7.28 rate", "transient", "throttled"),
    (Stage.RCPT, "450 4.7.1 later", "transient", "throttled"),
    (Stage.RCPT, "450 busy", "transient", "mailbox_busy"),
    (Stage.BODY, "451 4.3.0 error", "transient", "relay_error"),
    (Stage.BODY, "499 odd", "transient", "relay_error"),
    (Stage.RCPT, "550 5.1.1 who", "permanent", "no_such_mailbox"),
    (Stage.RCPT, "550 who", "permanent", "mailbox_unavailable"),
    (Stage.RCPT, "552 5.2.2 full", "permanent", "mailbox_full"),
    (Stage.RCPT, "550 5.2.1 off", "permanent", "mailbox_disabled"),
    (Stage.RCPT, "556 5.1.10 null MX", "permanent", "no_such_domain"),
    (Stage.RCPT, "501 5.1.3 syntax", "permanent", "bad_address"),
    (Stage.MAIL, "553 5.1.8 who are you", "permanent", "sender_refused"),
    (Stage.MAIL, "550 no", "permanent", "sender_refused"),
    (Stage.MAIL, "552 5.3.4 big", "permanent", "too_large"),
    (Stage.BODY, "552 big", "permanent", "too_large"),
    (Stage.BODY, "554 5.7.1 spam", "permanent", "rejected"),
    (Stage.BODY, "554 5.6.0 mime", "permanent", "content_refused"),
    (Stage.BODY, "500 line too long", "permanent", "content_refused"),
    (Stage.BODY, "599 odd", "permanent", "rejected"),
    (Stage.MAIL, "503 5.5.1 sequence", "transient", "relay_protocol"),
    (Stage.MAIL, "500 what", "transient", "relay_protocol"),
    (Stage.MAIL, "530 5.7.0 Authentication required", "transient", "relay_auth"),
    (Stage.MAIL, "530 5.7.0 Must issue a STARTTLS command first", "transient", "relay_tls"),
    (Stage.RCPT, "554 5.7.1 <a@b.org>: Relay access denied", "transient", "relay_denied"),
    (Stage.RCPT, "250 fine", "transient", "relay_protocol"),
    (Stage.BODY, "354 again", "ambiguous", "relay_protocol"),
    (Stage.CONNECT, "554 go away", "transient", "relay_refused"),
    (Stage.CONNECT, "421 busy", "transient", "throttled"),
    (Stage.TLS, "454 4.7.0 no TLS", "transient", "relay_tls"),
    (Stage.AUTH, "535 5.7.8 wrong", "transient", "relay_auth"),
    (Stage.AUTH, "454 4.7.0 later", "transient", "relay_auth"),
]


def reply(line: str) -> SmtpReply:
    return smtp_reply(int(line[:3]), [line[4:]])


@pytest.mark.parametrize(("stage", "line", "outcome", "reason"), CASES)
def test_an_answer_means(stage: Stage, line: str, outcome: str, reason: str | None) -> None:
    judged = classify(stage, reply(line))
    assert (judged.outcome, judged.reason) == (outcome, reason)
    assert judged.code == line[:3]


REPLIES = st.builds(
    SmtpReply,
    st.integers(200, 599),
    st.none() | st.from_regex(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}", fullmatch=True),
    st.text(),
)


@given(st.sampled_from(Stage), REPLIES)
def test_only_an_answer_to_the_final_dot_is_acceptance(stage: Stage, answer: SmtpReply) -> None:
    accepted = classify(stage, answer).outcome is Outcome.ACCEPTED
    assert accepted == (stage is Stage.BODY and answer.positive)


@given(st.sampled_from([Stage.CONNECT, Stage.TLS, Stage.AUTH]), REPLIES)
def test_the_relays_trouble_never_kills_a_delivery(stage: Stage, answer: SmtpReply) -> None:
    assert classify(stage, answer).outcome is Outcome.TRANSIENT


@given(st.sampled_from(MAIL_STAGES), REPLIES)
def test_a_4xx_is_transient_and_a_permanent_outcome_needs_a_5xx(
    stage: Stage, answer: SmtpReply
) -> None:
    outcome = classify(stage, answer).outcome
    if 400 <= answer.code < 500:
        assert outcome is Outcome.TRANSIENT
    assert outcome is not Outcome.PERMANENT or answer.code >= 500


@pytest.mark.parametrize(
    "text",
    [
        "<ann@example.org>: unknown",
        "user ann@example.org unknown",
        'no "ann smith"@example.org here',
        "<ann>... User unknown",
        "ann=40example.org",
        "bounce+ann%40example.org said no",
        "ann＠example.org",
        "(ann@example.org)",
    ],
)
def test_a_detail_holds_no_address(text: str) -> None:
    detail = scrub(text)
    assert "ann" not in detail
    assert "(address)" in detail


@given(st.text())
def test_a_detail_is_short_and_printable_and_has_no_at_sign(text: str) -> None:
    detail = scrub(text)
    assert len(detail) <= DETAIL_LENGTH
    assert "@" not in detail
    assert not any(ord(character) < 32 or character == "\x7f" for character in detail)

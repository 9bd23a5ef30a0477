"""Whose fault an answer is: it decides who else is asked, and whom the breaker watches."""

import pytest

from fogbell.model.outcome import Fault, Outcome, Reply
from fogbell_worker.channels.email.classify import Stage
from fogbell_worker.channels.email.classify import classify as classify_smtp
from fogbell_worker.channels.email.replies import smtp_reply


@pytest.mark.parametrize(
    ("outcome", "fault", "elsewhere", "failed"),
    [
        (Outcome.ACCEPTED, None, False, False),
        (Outcome.PERMANENT, None, False, False),
        (Outcome.PERMANENT, Fault.PROVIDER, True, False),
        (Outcome.TRANSIENT, None, True, True),
        (Outcome.TRANSIENT, Fault.MESSAGE, True, False),
        (Outcome.AMBIGUOUS, None, False, True),
        (Outcome.AMBIGUOUS, Fault.MESSAGE, False, False),
    ],
)
def test_what_an_answer_means_for_the_others(
    outcome: Outcome, fault: Fault | None, elsewhere: bool, failed: bool
) -> None:
    reply = Reply(outcome, fault=fault)
    assert (reply.elsewhere, reply.provider_failed) == (elsewhere, failed)


@pytest.mark.parametrize(
    ("stage", "code", "text", "failed"),
    [
        (Stage.RCPT, 450, "4.2.1 greylisted", False),
        (Stage.RCPT, 452, "4.2.2 mailbox full", False),
        (Stage.RCPT, 451, "4.4.3 no such domain now", False),
        (Stage.CONNECT, 554, "no", True),
        (Stage.AUTH, 535, "5.7.8 no", True),
        (Stage.MAIL, 421, "4.7.0 slow down", True),
        (Stage.MAIL, 451, "4.3.0 later", True),
        (Stage.RCPT, 550, "5.1.1 nobody", False),
    ],
)
def test_a_relay_is_blamed_for_its_own_troubles_alone(
    stage: Stage, code: int, text: str, failed: bool
) -> None:
    assert classify_smtp(stage, smtp_reply(code, [text])).provider_failed is failed


def test_a_sender_that_one_relay_refuses_may_be_another_relays() -> None:
    reply = classify_smtp(Stage.MAIL, smtp_reply(550, ["5.1.8 not for this domain"]))
    assert (reply.outcome, reply.elsewhere) == (Outcome.PERMANENT, True)

"""What an SMTP relay's answer means for a delivery. Pure.

Outcomes follow the reply code's class (RFC 5321, 4.2.1), with one exception that decides whether a
night's deliveries survive: where the relay refuses *us* (login, TLS, relaying, a command it does
not know) or all mail (its disk is full), the recipient is not to blame, and the delivery stays
transient whatever the code says. Reasons prefer the enhanced code (RFC 3463 and its
registry) to the plain one.
"""

import re
from enum import StrEnum

from fogbell.model.outcome import Fault, Outcome, Reply
from fogbell_worker.channels.email.replies import SmtpReply

DETAIL_LENGTH = 200


class Stage(StrEnum):
    """What was answered. ``BODY`` is the answer to the final dot."""

    CONNECT = "connect"
    TLS = "tls"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    BODY = "body"


RELAY_STAGES = {
    Stage.CONNECT: "relay_refused",
    Stage.TLS: "relay_tls",
    Stage.AUTH: "relay_auth",
}
"""Stages before any mail: whatever fails there is the relay's or our own fault."""

_BY_STATUS = {
    "1.1": "no_such_mailbox",
    "1.2": "no_such_domain",
    "1.3": "bad_address",
    "1.4": "bad_address",
    "1.6": "mailbox_moved",
    "1.7": "sender_refused",
    "1.8": "sender_refused",
    "1.10": "no_such_domain",
    "2.1": "mailbox_disabled",
    "2.2": "mailbox_full",
    "2.3": "too_large",
    "3.1": "relay_busy",
    "3.2": "relay_busy",
    "3.4": "too_large",
    "4.2": "connection_lost",
    "4.4": "no_such_domain",
    "4.5": "throttled",
    "4.6": "mail_loop",
    "5.3": "throttled",
    "7.28": "throttled",
}
"""Subject and detail of an enhanced code, whatever its class; else its subject, else the code."""

_BY_SUBJECT = {
    "1": "bad_address",
    "2": "mailbox_unavailable",
    "4": "unroutable",
    "6": "content_refused",
    "7": "rejected",
}

_BY_CODE = {
    421: "throttled",
    450: "mailbox_busy",
    451: "relay_error",
    452: "relay_busy",
    500: "content_refused",
    501: "bad_address",
    521: "rejected",
    550: "mailbox_unavailable",
    551: "mailbox_moved",
    552: "too_large",
    553: "bad_address",
    554: "rejected",
    555: "bad_address",
    556: "no_such_domain",
}

_BY_STAGE = {
    (Stage.RCPT, 452): "mailbox_full",
    (Stage.RCPT, 552): "mailbox_full",
    (Stage.MAIL, 550): "sender_refused",
    (Stage.MAIL, 553): "sender_refused",
    (Stage.BODY, 550): "rejected",
}

_RELAY_CODES = {
    **dict.fromkeys((454, 530, 534, 535, 538), "relay_auth"),
    **dict.fromkeys((502, 503, 504), "relay_protocol"),
}
_RELAY_STATUSES = {"7.8": "relay_auth", "7.9": "relay_auth", "7.11": "relay_tls"}

_GREYLIST = re.compile(r"gr[ae]y\W{0,3}list", re.IGNORECASE)
_RELAYING = re.compile(r"relay(ing)?\b.{0,20}\b(denied|prohibited|not permitted)", re.IGNORECASE)
_STARTTLS = re.compile(r"\bSTARTTLS\b|\bTLS\b.{0,20}\brequired\b", re.IGNORECASE)

_AT = r"(?:[@\uFF20\uFE6B]|%40|=40|&#64;|&commat;)"
_ADDRESS = re.compile(rf"\"[^\"]*\"{_AT}\S*|\S*{_AT}\S*|<[^<>]*>", re.IGNORECASE)
_OF_ADDRESSES = frozenset("@\uff20\ufe6b%=&<")
"""Without any of these there is no address: most answers are not worth the expression's time."""
_UNPRINTABLE = re.compile(r"[^\x20-\x7e\xa0-\u2027\u202f-\uffff\U00010000-\U0010ffff]+")


_OF_THE_MAIL = frozenset(
    {
        "bad_address",
        "content_refused",
        "greylisted",
        "mail_loop",
        "mailbox_busy",
        "mailbox_disabled",
        "mailbox_full",
        "mailbox_moved",
        "mailbox_unavailable",
        "no_such_domain",
        "no_such_mailbox",
        "rejected",
        "unroutable",
    }
)
"""Reasons of 4xx that say nothing about the relay's health."""


def classify(stage: Stage, reply: SmtpReply) -> Reply:
    """The attempt's reply for what the server answered at ``stage``."""
    outcome, reason = _judge(stage, reply)
    text = scrub(reply.text) or None
    fault = _fault(outcome, reason)
    return Reply(outcome, str(reply.code), reply.enhanced, reason, text, fault=fault)


def _fault(outcome: Outcome, reason: str | None) -> Fault | None:
    if outcome is Outcome.TRANSIENT and reason in _OF_THE_MAIL:
        return Fault.MESSAGE
    if outcome is Outcome.PERMANENT and reason == "sender_refused":
        return Fault.PROVIDER  # another relay may send for this domain
    return None


def cut_off(*, handed_over: bool, reason: str, detail: str, fault: Fault | None = None) -> Reply:
    """No answer came: ambiguous once the final dot may have left, transient before."""
    outcome = Outcome.AMBIGUOUS if handed_over else Outcome.TRANSIENT
    return Reply(outcome, reason=reason, detail=detail, fault=fault)


def scrub(text: str) -> str:
    """``text`` for people: no addresses, nothing unprintable, at most 200 characters.

    Whatever stands in angle brackets goes too: servers repeat addresses there, also without an @.
    """
    if not _OF_ADDRESSES.isdisjoint(text):
        text = _ADDRESS.sub("(address)", text)
    if not (text.isascii() and text.isprintable()):
        text = _UNPRINTABLE.sub(" ", text)
    return " ".join(text.split())[:DETAIL_LENGTH]


def _judge(stage: Stage, reply: SmtpReply) -> tuple[Outcome, str | None]:
    if stage in RELAY_STAGES:
        reason = "throttled" if reply.code == 421 else RELAY_STAGES[stage]
        return Outcome.TRANSIENT, reason
    if reply.positive and stage is Stage.BODY:
        return Outcome.ACCEPTED, None
    if reply.code < 400:  # an answer that the protocol does not have here
        handed_over = stage is Stage.BODY
        return Outcome.AMBIGUOUS if handed_over else Outcome.TRANSIENT, "relay_protocol"
    relay = _relay_reason(stage, reply)
    if relay is not None:
        return Outcome.TRANSIENT, relay
    if reply.code < 500:
        return Outcome.TRANSIENT, _transient_reason(stage, reply)
    reason = _reason(stage, reply)
    # A system that is full, or takes nothing now: nobody's mail is to blame.
    return Outcome.TRANSIENT if reason == "relay_busy" else Outcome.PERMANENT, reason


def _relay_reason(stage: Stage, reply: SmtpReply) -> str | None:
    """Why it is the relay that refuses us, or None where it is the mail that is refused."""
    if _RELAYING.search(reply.text):
        return "relay_denied"
    status = (reply.enhanced or "")[2:]
    reason = _RELAY_STATUSES.get(status) or _RELAY_CODES.get(reply.code)
    if reason == "relay_auth" and _STARTTLS.search(reply.text):
        return "relay_tls"
    if reason is None and reply.code == 500 and stage is not Stage.BODY:
        return "relay_protocol"
    return reason


def _transient_reason(stage: Stage, reply: SmtpReply) -> str:
    if _GREYLIST.search(reply.text):
        return "greylisted"
    if reply.code == 421 or (reply.enhanced or "").startswith("4.7."):
        return "throttled"
    return _reason(stage, reply)


def _reason(stage: Stage, reply: SmtpReply) -> str:
    if reply.enhanced is not None:
        _, subject, detail = reply.enhanced.split(".")
        reason = _BY_STATUS.get(f"{subject}.{detail}") or _BY_SUBJECT.get(subject)
        if reason is not None:
            return reason
    by_class = "relay_error" if reply.code < 500 else "rejected"
    return _BY_STAGE.get((stage, reply.code)) or _BY_CODE.get(reply.code, by_class)

"""The envelope of one mail, and what its answers mean for the mail and its connection. Pure.

RFC 5321 for the dialogue, RFC 2920 for sending MAIL, RCPT and DATA in one packet.
"""

from collections.abc import Sequence

from fogbell.model.outcome import Reply
from fogbell_worker.channels.email.classify import Stage, classify, cut_off
from fogbell_worker.channels.email.outgoing import Outgoing
from fogbell_worker.channels.email.replies import SmtpReply

GO_AHEAD = 354
"""The answer to DATA that asks for the mail (RFC 5321, 4.1.1.4)."""

SERVICE_CLOSING = 421
"""The server's last word on a connection, whatever it was asked (RFC 5321, 3.8)."""

DOT = b".\r\n"
"""The end of a message (RFC 5321, 4.1.1.4)."""

_RSET = b"RSET\r\n"
_STAGES = (Stage.MAIL, Stage.RCPT, Stage.DATA)


class Transaction:
    """One mail's envelope on one connection: the commands, and the answers so far.

    ``reused``: the connection carried mails before this one. ``follows``: the envelope was written
    together with the mail before it. Then the relay had not answered that one yet, and
    ``doubtful`` says that it refused it: whatever it says next may still be about that.
    """

    __slots__ = (
        "_stages",
        "commands",
        "doubtful",
        "follows",
        "outgoing",
        "refused",
        "replies",
        "reused",
    )

    def __init__(
        self, outgoing: Outgoing, *, reset: bool = False, reused: bool, follows: bool = False
    ) -> None:
        self.outgoing = outgoing
        self.reused = reused
        self.follows = follows
        self.doubtful = False
        self.commands: Sequence[bytes] = (_RSET, *outgoing.envelope) if reset else outgoing.envelope
        self._stages: Sequence[Stage | None] = (None, *_STAGES) if reset else _STAGES
        self.forget()

    def forget(self) -> None:
        """What was answered so far was about something else."""
        self.replies: list[SmtpReply] = []
        self.refused: int | None = None

    def answer(self, reply: SmtpReply) -> None:
        """The next command's answer. ``refused`` is the number of the first that did not get what
        lets the mail go on.
        """
        number = len(self.replies)
        self.replies.append(reply)
        asks_for_data = self._stages[number] is Stage.DATA
        agreed = reply.code == GO_AHEAD if asks_for_data else reply.positive
        if self.refused is None and not agreed:
            self.refused = number

    @property
    def complete(self) -> bool:
        """Whether every command has its answer."""
        return len(self.replies) == len(self.commands)

    @property
    def refusal(self) -> Reply | None:
        """What the first refusal means for the mail."""
        number = self.refused
        if number is None:
            return None
        return classify(self._stages[number] or Stage.MAIL, self.replies[number])

    @property
    def stale(self) -> bool:
        """Whether the answers are about the connection, not the mail: it is to be sent over a
        fresh one. Nothing was taken of it here.
        """
        if not self.reused:
            return False
        number = self.refused
        if number is None:
            return not any(self._stages[: len(self.replies)])
        stage, code = self._stages[number], self.replies[number].code
        if self.follows and (self.doubtful or code < 400):
            return True
        return stage is None or (stage is Stage.MAIL and code == SERVICE_CLOSING)

    @property
    def data_open(self) -> bool:
        """Whether the relay waits for a message: DATA, pipelined, may be accepted though the
        envelope was refused. A lone dot then ends it without a mail (RFC 2920, 3.1).
        """
        return self.complete and self.replies[-1].code == GO_AHEAD

    @property
    def can_be_withdrawn(self) -> bool:
        """Whether nothing is sent by leaving it, as an empty mail would be by a lone dot where the
        recipient was accepted.
        """
        pairs = zip(self._stages, self.replies, strict=False)
        has_recipient = any(stage is Stage.RCPT and reply.positive for stage, reply in pairs)
        return not (self.data_open and has_recipient)

    def settle_refused(self) -> None:
        """End the mail as refused."""
        refusal = self.refusal
        assert refusal is not None
        self.outgoing.settle(refusal)

    def cut_off(self, why: str) -> bool:
        """The connection has ended, and ``why``. Whether the mail goes elsewhere; else it is over:
        ambiguous where its final dot may have left.
        """
        outgoing = self.outgoing
        if not outgoing.handed_over and self.stale:
            return True
        refusal = None if outgoing.handed_over else self.refusal
        outgoing.settle(refusal or _lost(why, handed_over=outgoing.handed_over))
        return False


def _lost(why: str, *, handed_over: bool) -> Reply:
    where = "after" if handed_over else "before"
    return cut_off(
        handed_over=handed_over,
        reason=why,
        detail=f"the connection to the relay ended {where} the mail was handed over",
    )

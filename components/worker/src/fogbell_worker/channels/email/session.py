"""The dialogue on one connection, mail after mail, with the point known at which each is taken.

Until a mail's final dot is given to the transport nothing of it can have been accepted; after that
only the relay's answer says what became of it, and its absence is *ambiguous*.

Where the relay pipelines and another mail waits, that one's envelope goes out together with the
dot of the mail before it (RFC 2920, 3.1): one write and one round trip a mail. Each of them keeps
its own answers and its own point of no return, so what befalls one costs the other at most its
connection. There is no task: what arrives is acted upon at once.
"""

import asyncio
from collections.abc import Callable, Sequence

from fogbell_worker.channels.email.classify import Stage, classify
from fogbell_worker.channels.email.outgoing import Outgoing
from fogbell_worker.channels.email.parties import Owner, Wire
from fogbell_worker.channels.email.phases import Phase
from fogbell_worker.channels.email.replies import SmtpReply
from fogbell_worker.channels.email.transaction import DOT, SERVICE_CLOSING, Transaction

_ONE_WRITE = 16_384
"""Bytes that a socket's buffer takes at once, so that handing over and leaving are the same."""

QUICK = 1.0
"""Seconds. A relay that takes longer for a mail gets no second one behind it: a round trip is
little then, and that one may be sooner through another connection."""

TURNS = 3
"""Turns of the event loop until a mail that was answered has another one in its place: its task
wakes, whoever waits for its slot wakes, and the next mail's task begins."""

_DOT_SECONDS = 5.0
_QUIT_SECONDS = 1.0


class Session:
    """One connection to the relay. ``mails`` counts those begun here, at most ``limit``."""

    def __init__(self, wire: Wire, *, pipelining: bool, owner: Owner, limit: int) -> None:
        self.phase = Phase.IDLE
        self.mails = 0
        self.idle_since = 0.0
        self._wire = wire
        self._pipelining = pipelining
        self._owner = owner
        self._limit = limit
        self._loop = asyncio.get_running_loop()
        self._current: Transaction | None = None
        self._following: Transaction | None = None
        self._forsaken = False
        self._needs_reset = False
        self._handed_over_at = 0.0
        self._quick = False
        self._patience: asyncio.TimerHandle | None = None

    @property
    def worn(self) -> bool:
        """Whether it has carried all the mails that it may."""
        return self.mails >= self._limit

    def begin(self, outgoing: Outgoing) -> None:
        """Send a mail; nothing else may be under way."""
        outgoing.carrier, outgoing.begun = self, True
        self._act(self._begin, outgoing, blamed=outgoing)

    def drop(self, outgoing: Outgoing) -> None:
        """Nobody waits for this mail any more. One whose envelope went out behind another's dot
        costs the connection only after the other has its answer.
        """
        if self._following is not None and self._following.outgoing is outgoing:
            self._following = None
            self._forsaken = True
        elif self._current is not None and self._current.outgoing is outgoing:
            self.end()

    def on_replies(self, replies: list[SmtpReply]) -> None:
        """Act upon what arrived at once. The next thing is written only when all of it is read:
        an answer that came before the final dot is none to the dot.
        """
        self._act(self._read, replies)

    def on_writable(self) -> None:
        """A large message has left: now its end may."""
        if self.phase is Phase.FLUSHING and self._current is not None:
            self._act(self._hand_over, self._current, b"")

    def end(self, why: str = "connection_lost") -> None:
        """Drop the connection; each mail on it ends as far as it came."""
        if self.phase is Phase.ENDED:
            return
        self.phase = Phase.ENDED
        self._wire.abort()
        if self._patience is not None:
            self._patience.cancel()
        heir = None if self._following is None else self._following.outgoing
        if self._current is not None and self._current.cut_off(why):
            heir = self._current.outgoing
        self._owner.ended(self, heir)

    def quit(self) -> None:
        """Say goodbye, and drop the connection once that is answered or a second is over."""
        self.phase = Phase.QUITTING
        self._wire.write(b"QUIT\r\n")
        self._wait(_QUIT_SECONDS)

    def _act(self, act: Callable[..., None], *args: object, blamed: Outgoing | None = None) -> None:
        """A defect of ours ends the mail that was acted for, and this connection alone."""
        try:
            act(*args)
        except Exception as error:
            if blamed is None and self._current is not None:
                blamed = self._current.outgoing
            if blamed is not None:
                blamed.fail(error)
            self.end()

    def _begin(self, outgoing: Outgoing) -> None:
        self._current = Transaction(outgoing, reset=self._needs_reset, reused=self.mails > 0)
        self.mails += 1
        self.phase = Phase.ENVELOPE
        commands = self._current.commands
        self._wire.write(b"".join(commands) if self._pipelining else commands[0])

    def _read(self, replies: list[SmtpReply]) -> None:
        for reply in replies:
            self._take(reply)
            if reply.code == SERVICE_CLOSING:
                self.end()
            if self.phase is Phase.ENDED:
                return
        if self.phase is Phase.ANSWERED and self._current is not None:
            self._judge(self._current)
        if self.phase is Phase.FREE:
            self.phase = Phase.IDLE
            self._owner.freed(self)

    def _wait(self, seconds: float) -> None:
        self._patience = self._loop.call_later(seconds, self.end)

    def _take(self, reply: SmtpReply) -> None:
        current = self._current
        if current is None:
            self.end()  # nobody asked for it, or it is the answer to QUIT
        elif self.phase is Phase.BODY:
            self._settle(current, reply)
        elif self.phase is Phase.ENVELOPE:
            current.answer(reply)
            self._go_on(current)
        elif self.phase is Phase.WITHDRAWING:
            self._refuse(current)
        else:
            self._interrupt(current, reply)

    def _go_on(self, current: Transaction) -> None:
        if current.complete or (current.refused is not None and not self._pipelining):
            self.phase = Phase.ANSWERED
        elif not self._pipelining:
            self._wire.write(current.commands[len(current.replies)])

    def _judge(self, current: Transaction) -> None:
        """The envelope is answered. A refused mail is left so that the connection can be used
        again, where that is possible.
        """
        if current.refused is None:
            self._await_company(current, TURNS)
        elif current.stale or not current.can_be_withdrawn:
            self.end()
        elif current.data_open:
            self.phase = Phase.WITHDRAWING
            self._wire.write(DOT)
            self._wait(_DOT_SECONDS)
        else:
            self._refuse(current)

    def _refuse(self, current: Transaction) -> None:
        current.settle_refused()
        self._current = None
        self._needs_reset = True
        self.phase = Phase.FREE
        if self._patience is not None:
            self._patience.cancel()

    def _await_company(self, current: Transaction, turns: int) -> None:
        """Let what is ready to run go first: that may be the next mail's own task."""
        if self._current is not current or self.phase is not Phase.ANSWERED:
            return
        if turns and self._takes_company and not self._owner.waiting:
            self._loop.call_soon(self._await_company, current, turns - 1)
        else:
            self._act(self._send_body, current)

    @property
    def _takes_company(self) -> bool:
        return self._pipelining and self._quick and not self.worn

    def _send_body(self, current: Transaction) -> None:
        """A large message goes ahead of its dot, so that less is ambiguous."""
        data = current.outgoing.data
        if len(data) > _ONE_WRITE:
            self._wire.write(data)
            data = b""
            if not self._wire.writable:
                self.phase = Phase.FLUSHING
                return
        self._hand_over(current, data)

    def _hand_over(self, current: Transaction, data: bytes) -> None:
        """The point of no return. Who has just given up is not taken beyond it."""
        if current.outgoing.ended:
            self.end()
            return
        self.phase = Phase.BODY
        self._needs_reset = False
        self._handed_over_at = self._loop.time()
        current.outgoing.handed_over = True
        company = self._company()
        self._wire.write(b"".join((data, DOT, *company)))

    def _company(self) -> Sequence[bytes]:
        """The envelope of a mail that waits already, where it may go along."""
        outgoing = self._owner.next_mail() if self._takes_company else None
        if outgoing is None:
            return ()
        outgoing.carrier = self
        self._following = Transaction(outgoing, reused=True, follows=True)
        self.mails += 1
        return self._following.commands

    def _settle(self, current: Transaction, reply: SmtpReply) -> None:
        """The answer to the final dot. The mail behind it, if any, has its turn."""
        self._quick = self._loop.time() - self._handed_over_at < QUICK
        current.outgoing.settle(classify(Stage.BODY, reply))
        self._current, self._following = self._following, None
        if self._forsaken:
            self.end()
        elif self._current is None:
            self.phase = Phase.FREE
        else:
            self.phase = Phase.ENVELOPE
            self._current.doubtful = not reply.positive
            self._current.outgoing.begun = True

    def _interrupt(self, current: Transaction, reply: SmtpReply) -> None:
        """The relay spoke before the end of the mail: nothing was taken, whatever it said."""
        if current.follows:
            current.forget()  # one of them was about the mail before
        else:
            current.outgoing.settle(current.refusal or classify(Stage.DATA, reply))
        self.end("relay_protocol")

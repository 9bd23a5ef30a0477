"""Real providers whose behaviour a test changes while a system sends to them."""

import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass

from tests.support.smtp import Answers, Relay, relay
from tests.support.webhooks import Answer, Receiver, hang, reply

RULES = {
    "FOGBELL_BREAKER__FAILURES": "3",
    "FOGBELL_BREAKER__PAUSE_SECONDS": "1",
    "FOGBELL_PROVIDER_WAIT_SECONDS": "1",
    "FOGBELL_RETRY__BASE_SECONDS": "0.5",
    "FOGBELL_RETRY__CAP_SECONDS": "2",
    "FOGBELL_RETRY__ATTEMPTS": "50",
}


@dataclass(frozen=True)
class Outside:
    """A relay and two receivers of webhooks."""

    relay: Relay
    ill: Receiver
    well: Receiver

    def settings(self) -> dict[str, str]:
        """What a worker is told of them; a breaker opens soon, and is asked again soon."""
        return RULES | {
            "FOGBELL_PROVIDERS__EMAIL": "relay",
            "FOGBELL_PROVIDER__RELAY__KIND": "smtp",
            "FOGBELL_PROVIDER__RELAY__URL": f"smtp://127.0.0.1:{self.relay.port}",
            "FOGBELL_PROVIDER__RELAY__FROM_ADDRESS": "Fogbell <bell@example.net>",
            "FOGBELL_PROVIDER__RELAY__SEND_TIMEOUT": "1.5",
            "FOGBELL_PROVIDER__RELAY__CONNECT_TIMEOUT": "1",
            "FOGBELL_WEBHOOK__SEND_TIMEOUT": "1.5",
            "FOGBELL_WEBHOOK__CONNECT_TIMEOUT": "1",
            "FOGBELL_WEBHOOK__ALLOWED_PORTS": f"[{self.ill.port}, {self.well.port}]",
        }

    def relay_says(self, answers: Answers) -> None:
        """From now on; what hangs already is let go."""
        self.relay.answers = answers
        self.relay.held.set()

    def the_ill_one_says(self, answer: Answer) -> None:
        """From now on."""
        self.ill.answers[:] = [answer]

    def mails(self, run: str) -> Counter[str]:
        """How many copies of each recipient's mail the relay has taken."""
        lines = (line for mail in self.relay.mails for line in mail.decode().split("\r\n"))
        found = (line.removeprefix("To: ") for line in lines if line.startswith("To: "))
        return Counter(address for address in found if address.startswith(run))


@contextlib.asynccontextmanager
async def outside() -> AsyncIterator[Outside]:
    """All of them well."""
    async with relay() as mails, Receiver().listen() as ill, Receiver().listen() as well:
        yield Outside(mails, ill, well)


WELL = reply(204)
FULL = reply(507)
HANGS = hang

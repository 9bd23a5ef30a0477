"""The demo's course: import, post, refuse, kill, replace, wait until everything is settled."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from fogbell.identity import delivery_id
from fogbell.model.status import Channel
from fogbell_client import Fogbell
from fogbell_client.bodies import Content, NotificationBody, PushAddress
from fogbell_local.client.progress import settled
from fogbell_local.demo import audience
from fogbell_local.demo.audience import Person
from fogbell_local.demo.view import Snapshot, View
from fogbell_local.interrupt import Stop
from fogbell_local.processes import Component
from fogbell_local.providers import FCM
from fogbell_local.system import System

LOOK_SECONDS = 0.1
LONGEST = 120.0
"""Seconds after which what is outstanding counts as such."""

KILL_AT = 0.35
"""The share of the bulk mails that are delivered when a worker is killed."""

BULK_CHANNELS = (Channel.EMAIL, Channel.WEBHOOK, Channel.INBOX)

_BULK_CONTENT: Content = {
    "email": {
        "subject": "Fog tonight, {{ recipient.attributes.first_name }}",
        "text": "The bell will ring {{ data.times }} times.\n",
        "html": "<p>The bell will ring <b>{{ data.times }}</b> times.</p>",
    },
    "webhook": {"type": "fog.announced", "data": {"plan": "{{ recipient.attributes.plan }}"}},
    "inbox": {
        "title": "Fog tonight, {{ recipient.attributes.first_name }}",
        "body": "The bell will ring {{ data.times }} times.",
    },
}
_PHONE_CONTENT: Content = {
    "sms": {"text": "Fog tonight, {{ recipient.attributes.first_name }}. You are on call."},
    "push": {"title": "You are on call", "body": "The bell will ring {{ data.times }} times."},
}
_ONE_CONTENT: Content = {
    "email": {"subject": "Your code", "text": "Your code is {{ data.code }}.\n"}
}


@dataclass(slots=True)
class Story:
    """One run. `tell` leaves behind what the verdict needs; ``phones`` is which delivery a text to
    a number is.
    """

    system: System
    fogbell: Fogbell
    view: View
    stop: Stop
    notifications: list[UUID] = field(default_factory=list)
    expected: set[UUID] = field(default_factory=set)
    phones: dict[str, UUID] = field(default_factory=dict)
    _replacement: Component | None = None
    _replacement_ready: bool = False

    def tell(self) -> None:
        """Run it. Raises ClientError, ServerError and Interrupted."""
        self._post(self._import())
        deadline = time.monotonic() + LONGEST
        while True:
            self.stop.checkpoint()
            snapshot = self._look()
            done = all(settled(document) for document in snapshot.documents)
            late = time.monotonic() > deadline
            self.view.show(snapshot, last=done or late)
            if late:
                self.view.say(f"Not everything is settled after {LONGEST:g} s.")
            if done or late:
                return
            self._intervene(snapshot.documents[0])
            self.stop.wait(LOOK_SECONDS)

    def _import(self) -> list[Person]:
        content = audience.read(self.system.sink.webhook_url)
        report = self.fogbell.import_recipients(_chunks(content), "text/csv")
        everybody = audience.people(content)
        on_call = [person for person in everybody if audience.ON_CALL in person.groups]
        for person in on_call:
            devices: list[PushAddress] = [{"provider": FCM, "token": person.token}]
            self.fogbell.patch_recipient(person.id, {"addresses": {"push": devices}})
        self.view.say(
            f"Imported {report['imported']} recipients from the CSV; {len(on_call)} of them, the"
            f" group {audience.ON_CALL!r}, have the app on their phone."
        )
        return everybody

    def _post(self, everybody: list[Person]) -> None:
        """Bulk first: what is posted while it is under way shall not wait behind it."""
        on_call = [person for person in everybody if audience.ON_CALL in person.groups]
        self.notifications = [
            self._post_bulk(everybody), self._post_phones(on_call), self._post_one(everybody[0]),
        ]  # fmt: skip
        self.view.say(
            f"Posted one bulk notification to all of them over {', '.join(BULK_CHANNELS)}, one to"
            f" the {len(on_call)} over sms, push, and one transactional e-mail."
        )

    def _post_bulk(self, everybody: list[Person]) -> UUID:
        bulk = self._posted(
            {
                "audience": {"groups": [audience.GROUP]},
                "channels": [channel.value for channel in BULK_CHANNELS],
                "content": _BULK_CONTENT,
                "data": {"times": 7},
            }
        )
        self.expected |= {
            delivery_id(bulk, p.id, channel) for p in everybody for channel in BULK_CHANNELS
        }
        return bulk

    def _post_phones(self, on_call: list[Person]) -> UUID:
        id_ = self._posted(
            {
                "audience": {"groups": [audience.ON_CALL]},
                "channels": [Channel.SMS.value, Channel.PUSH.value],
                "content": _PHONE_CONTENT,
                "data": {"times": 7},
            }
        )
        self.phones = {p.phone: delivery_id(id_, p.id, Channel.SMS) for p in on_call}
        self.expected |= set(self.phones.values())
        self.expected |= {delivery_id(id_, p.id, Channel.PUSH, p.token) for p in on_call}
        return id_

    def _post_one(self, person: Person) -> UUID:
        one = self._posted(
            {
                "audience": {"recipients": [person.id]},
                "channels": [Channel.EMAIL.value],
                "content": _ONE_CONTENT,
                "data": {"code": "3141"},
                "lane": "transactional",
            }
        )
        self.expected.add(delivery_id(one, person.id, Channel.EMAIL))
        return one

    def _posted(self, body: NotificationBody) -> UUID:
        return UUID(self.fogbell.post(body)["id"])

    def _look(self) -> Snapshot:
        documents = [self.fogbell.notification(id_) for id_ in self.notifications]
        return Snapshot(documents, self.system.sink.entries())

    def _intervene(self, bulk: Mapping[str, Any]) -> None:
        """Kill a worker once enough is delivered, and start another in its place."""
        self.system.tend()
        for text in self.system.news():
            self.view.say(text)
        share = delivered_share(bulk["by_channel"].get(Channel.EMAIL.value, {}))
        if self._replacement is None and share >= KILL_AT:
            victim = self.system.workers[0]
            self.system.kill_worker(victim)
            self._replacement = self.system.add_worker()
            self.view.say(
                f"Killed {victim.label} (pid {victim.program.pid}) with SIGKILL at {share:.0%} of"
                f" the bulk mails; starting {self._replacement.label} in its place."
            )
        elif self._replacement is not None and not self._replacement_ready:
            self._replacement_ready = self._replacement.is_ready()
            if self._replacement_ready:
                self.view.say(f"{self._replacement.label} is at work.")


def delivered_share(counts: Mapping[str, int]) -> float:
    """The share of a channel's deliveries that are delivered; 0 while none is known."""
    everything = sum(counts.values())
    return counts.get("delivered", 0) / everything if everything else 0.0


def _chunks(content: bytes, size: int = 16_384) -> Iterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]

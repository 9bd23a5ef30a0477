"""What each provider of texts and pushes took and refused, read from the ledger. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from uuid import UUID

from fogbell.model.status import Channel
from fogbell_local.sink.ledger import Entry, Outcome

_ORDER = {Channel.SMS: 0, Channel.PUSH: 1}


def by_provider(ledger: Iterable[Entry]) -> list[str]:
    """A line for each channel: ``sms: gateway-a 12 refused, gateway-b 50 delivered``."""
    counts: dict[Channel, dict[str, Counter[Outcome]]] = {}
    for entry in ledger:
        if entry.provider is not None:
            of_channel = counts.setdefault(entry.channel, {})
            of_channel.setdefault(entry.provider, Counter())[entry.outcome] += 1
    return [
        f"{channel}: {', '.join(_said(n, c) for n, c in sorted(counts[channel].items()))}"
        for channel in sorted(counts, key=lambda channel: _ORDER[channel])
    ]


def _said(name: str, counts: Mapping[Outcome, int]) -> str:
    words = {Outcome.ACCEPTED: "delivered", Outcome.REFUSED: "refused"}
    parts = [f"{counts[outcome]} {word}" for outcome, word in words.items() if counts[outcome]]
    return f"{name} {' and '.join(parts)}"


def recognised(ledger: Iterable[Entry], phones: Mapping[str, UUID]) -> list[Entry]:
    """``ledger``, with the delivery of each text: a gateway is not told its id, but here each
    number gets one. What went to any other number keeps "", and is nobody's.
    """
    return [
        replace(entry, delivery=str(phones.get(entry.to[0], "")))
        if entry.channel is Channel.SMS
        else entry
        for entry in ledger
    ]

"""What is cut together by hand is, byte for byte, what BSON's own encoder makes."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import bson
from hypothesis import given
from hypothesis import strategies as st

from fogbell.model.delivery import Alike, NewDelivery
from fogbell.model.status import Channel, DeliveryStatus, Lane
from fogbell.store.database import OPTIONS
from fogbell.store.deliveries import delivery_document
from fogbell.store.encoding import encoded

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
GRACE = timedelta(seconds=30)

patterns = st.builds(
    NewDelivery,
    id=st.uuids(),
    notification_id=st.uuids(),
    recipient_id=st.text(max_size=3),
    channel=st.sampled_from(Channel),
    lane=st.sampled_from(Lane),
    status=st.sampled_from(DeliveryStatus),
    reason=st.one_of(st.none(), st.text()),
    report=st.booleans(),
)
members = st.lists(st.tuples(st.uuids(), st.text(max_size=200)), max_size=5)


@given(patterns, members)
def test_documents_of_deliveries_that_are_alike_are_those_of_each_encoded_whole(
    pattern: NewDelivery, members: list[tuple[UUID, str]]
) -> None:
    made = encoded(
        delivery_document(pattern, NOW, GRACE),
        [i.bytes for i, _ in members],
        [r for _, r in members],
    )
    each = [replace(pattern, id=i, recipient_id=recipient) for i, recipient in members]
    assert [document.raw for document in made] == [
        bson.encode(delivery_document(new, NOW, GRACE), codec_options=OPTIONS) for new in each
    ]


@given(patterns, members, st.data())
def test_those_that_are_left_are_whom_they_were_for(
    pattern: NewDelivery, members: list[tuple[UUID, str]], data: st.DataObject
) -> None:
    alike = Alike(pattern, [i.bytes for i, _ in members], [r for _, r in members])
    refused = data.draw(st.sets(st.sampled_from(alike.ids))) if members else set()
    left = alike.without(refused)
    assert list(left.each()) == [new for new in alike.each() if new.id.bytes not in refused]

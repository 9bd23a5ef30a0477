"""Documents that share most of their fields, encoded once and cut together by hand.

An expansion inserts thousands that differ in ``_id`` and ``recipient_id``: to encode each whole
costs more than all else that is done for it. The layout is BSON's (bsonspec.org, version 1.1).
"""

from collections.abc import Iterable

from bson import encode
from bson.raw_bson import RawBSONDocument

from fogbell.store.database import OPTIONS, Document

_ID = b"\x05_id\x00\x10\x00\x00\x00\x04"
"""A binary of 16 bytes and subtype 4, which is a UUID."""

_RECIPIENT = b"\x02recipient_id\x00"


def encoded(
    shared: Document, ids: Iterable[bytes], recipients: Iterable[str]
) -> list[RawBSONDocument]:
    """``shared``, a delivery as stored, with each of ``ids`` and ``recipients`` instead of its own.

    They are the very bytes that `bson.encode` makes of the same documents.
    """
    fields = list(shared.items())
    place = list(shared).index("recipient_id")
    assert fields[0][0] == "_id"
    before = _elements(dict(fields[1:place])) + _RECIPIENT
    after = b"\x00" + _elements(dict(fields[place + 1 :])) + b"\x00"
    # Besides the name: the size itself, the id with its bytes, the name's size.
    size = 4 + len(_ID) + 16 + len(before) + 4 + len(after)
    documents = []
    for i, recipient in zip(ids, recipients, strict=True):
        name = recipient.encode()
        length = len(name)
        head = (size + length).to_bytes(4, "little")
        documents.append(
            RawBSONDocument(
                b"".join((head, _ID, i, before, (length + 1).to_bytes(4, "little"), name, after))
            )
        )
    return documents


def _elements(fields: Document) -> bytes:
    """The fields without the size before them and the end behind them."""
    return encode(fields, codec_options=OPTIONS)[4:-1]

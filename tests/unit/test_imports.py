"""Records of an import: what is taken, what is refused, and by which line it is named."""

import csv
import io
import json
from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fogbell.model.recipient import Recipient
from fogbell_intake.limits import MAX_LINE
from fogbell_intake.records import (
    MAX_RECORD_LINES,
    Bad,
    CsvRecords,
    Entry,
    HeaderError,
    LineSplitter,
    NdjsonRecords,
)

BOM = b"\xef\xbb\xbf"


def read(records: CsvRecords | NdjsonRecords, chunks: Iterable[bytes]) -> list[Entry]:
    lines = LineSplitter()
    found = [e for chunk in chunks for line in lines.feed(chunk) for e in records.feed(line)]
    found += [e for line in lines.finish() for e in records.feed(line)]
    return [*found, *records.finish()]


def from_csv(text: str | bytes, *, size: int = 7) -> list[Entry]:
    """Read in chunks of a few bytes, so that every boundary is somewhere."""
    body = text.encode() if isinstance(text, str) else text
    return read(CsvRecords(), (body[i : i + size] for i in range(0, len(body), size)))


def ndjson(body: bytes) -> list[Entry]:
    return read(NdjsonRecords(), [body])


def ids(entries: Iterable[Entry]) -> list[str]:
    return [e.id for e in entries if isinstance(e, Recipient)]


def bad(entries: Iterable[Entry]) -> dict[int, str]:
    return {e.line: e.detail for e in entries if isinstance(e, Bad)}


def test_every_csv_column_finds_its_place() -> None:
    (entry,) = from_csv(
        "id,email,sms,webhook_url,apprise_url,locale,time_zone,groups,attributes.first_name\n"
        "ann,ann@example.org,+31612345678,https://x.example/h,tgram://1:a/2,de-AT,Europe/Vienna,"
        "a; b;,Ann\n"
    )
    assert entry == Recipient.model_validate(
        {
            "id": "ann",
            "addresses": {
                "email": "ann@example.org",
                "sms": "+31612345678",
                "webhook": {"url": "https://x.example/h"},
                "apprise": {"url": "tgram://1:a/2"},
            },
            "locale": "de-AT",
            "time_zone": "Europe/Vienna",
            "groups": ["a", "b"],
            "attributes": {"first_name": "Ann"},
        }
    )


def test_an_empty_cell_says_nothing() -> None:
    (entry,) = from_csv("id,email,groups,attributes.x\nann,,,\n")
    assert entry == Recipient(id="ann")


def test_a_byte_order_mark_and_any_line_end_are_taken() -> None:
    assert ids(from_csv(BOM + b"id,email\r\nann,\r\nbob,")) == ["ann", "bob"]
    assert ids(ndjson(BOM + b'{"id": "ann"}\r\n{"id": "bob"}')) == ["ann", "bob"]


def test_lines_are_counted_as_an_editor_counts_them() -> None:
    found = from_csv(
        "id,email,attributes.note\n"  # 1
        "\n"  # 2
        'ann,,"two\nlines"\n'  # 3, 4
        "bob,nonsense,\n"  # 5
        'eve,,"a\n\n\nb"\n'  # 6 to 9
        "too,few\n"  # 10
    )
    assert ids(found) == ["ann", "eve"]
    assert sorted(bad(found)) == [5, 10]


def test_a_quoted_line_end_is_part_of_the_value() -> None:
    (entry,) = from_csv('id,attributes.note\nann,"a ""b"",\r\nc"\r\n')
    assert isinstance(entry, Recipient)
    assert entry.attributes == {"note": 'a "b",\nc'}


def test_an_unclosed_quote_costs_its_own_line_alone() -> None:
    others = "".join(f"u{n},\n" for n in range(MAX_RECORD_LINES * 3))
    found = from_csv(f'id,attributes.note\nann,"open\n{others}', size=4096)
    assert list(bad(found)) == [2]
    assert len(ids(found)) == MAX_RECORD_LINES * 3


def test_an_unclosed_quote_at_the_end_costs_its_own_line_alone() -> None:
    found = from_csv('id,attributes.note\nann,x\nbob,"open\neve,y')
    assert ids(found) == ["ann", "eve"]
    assert bad(found) == {3: "a quoted field is not closed"}


def test_a_quote_within_an_unquoted_cell_is_a_character() -> None:
    (entry,) = from_csv('id,attributes.size\nann,5" tall\n')
    assert isinstance(entry, Recipient)
    assert entry.attributes == {"size": '5" tall'}


def test_text_after_a_closing_quote_is_refused() -> None:
    found = from_csv('id,attributes.x\nann,"a"b\nbob,c\n')
    assert ids(found) == ["bob"]
    assert list(bad(found)) == [2]


def test_bad_utf_8_costs_its_own_line_alone() -> None:
    found = from_csv(b"id,attributes.x\nann,\xff\nbob,y\n")
    assert ids(found) == ["bob"]
    assert bad(found) == {2: "it is not UTF-8"}
    found = ndjson(b'{"id": "ann"}\n{"id": "\xc3"}\n{"id": "bob"}\n')
    assert ids(found) == ["ann", "bob"]
    assert list(bad(found)) == [2]


@pytest.mark.parametrize("size", [1000, MAX_LINE, 10 * MAX_LINE])
def test_a_line_that_is_too_long_costs_itself_alone(size: int) -> None:
    long = "x" * (MAX_LINE + 1)
    found = from_csv(f"id,attributes.x\nann,1\nbob,{long}\neve,2\n", size=size)
    assert ids(found) == ["ann", "eve"]
    assert bad(found) == {3: "the record is longer than 64 KiB"}


def test_what_is_held_of_an_endless_line_is_bounded() -> None:
    lines = LineSplitter()
    for _ in range(100):
        assert list(lines.feed(b"x" * MAX_LINE)) == []
        assert len(lines._rest) <= MAX_LINE
    assert [line.content for line in lines.finish()] == [None]


@pytest.mark.parametrize(
    ("header", "named"),
    [
        ("", "empty"),
        ("\n\n", "empty"),
        ("email\nx", "'id' is missing"),
        ("id,emial\nx,y", "'emial'"),
        ("id,email,email\nx,y,z", "'email' is there twice"),
        ("id,attributes.first name\nx,y", "'attributes.first name'"),
        ("id,attributes.\nx,y", "'attributes.'"),
        ('id,"email\nx,y', "cannot be read"),
        ("id;email\nx;y", "'id;email'.*separated by commas"),
    ],
)
def test_a_header_that_will_not_do_is_refused_before_anything_else(header: str, named: str) -> None:
    with pytest.raises(HeaderError, match=named):
        from_csv(header)


def test_a_header_that_is_not_utf_8_is_refused() -> None:
    with pytest.raises(HeaderError):
        from_csv(b"id,\xff\nann,x\n")


def test_errors_name_the_field_and_never_the_value() -> None:
    found = ndjson(
        b'{"id": "ann", "addresses": {"email": "hunter2"}}\n'
        b'{"addresses": {}}\n[1]\n{"id": "x", "id": "y"}\n{"id": "x", "hunter": 2}\n'
    )
    details = bad(found)
    assert sorted(details) == [1, 2, 3, 4, 5]
    assert details[1].startswith("#/addresses/email: ")
    assert "#/id" in details[2]
    assert "hunter2" not in "".join(details.values())


CELL = st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), max_size=20)


@given(st.lists(CELL, max_size=8), st.integers(1, 50), st.sampled_from(["\n", "\r\n"]))
def test_what_the_csv_module_writes_is_read_back(cells: list[str], size: int, end: str) -> None:
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator=end)
    writer.writerow(["id", "attributes.a"])
    writer.writerows((f"u{n}", cell) for n, cell in enumerate(cells))
    read_back = [
        (e.id, e.attributes.get("a", "")) if isinstance(e, Recipient) else e
        for e in from_csv(file.getvalue(), size=size)
    ]
    assert read_back == [(f"u{n}", cell) for n, cell in enumerate(cells)]


@given(st.lists(st.dictionaries(st.from_regex(r"\A[a-z]{1,5}\Z"), CELL, max_size=3), max_size=8))
def test_what_the_json_module_writes_is_read_back(attributes: list[dict[str, str]]) -> None:
    documents = [{"id": f"u{n}", "attributes": a} for n, a in enumerate(attributes)]
    body = "\n".join(json.dumps(document) for document in documents).encode()
    read_back = ndjson(body)
    assert read_back == [Recipient.model_validate(document) for document in documents]


@given(st.binary(max_size=300))
def test_any_bytes_are_records_or_bad_lines(body: bytes) -> None:
    lines = body.count(b"\n") + 1
    for entry in ndjson(body) + from_csv(b"id,attributes.x\n" + body):
        if isinstance(entry, Bad):
            assert 1 <= entry.line <= lines + 1


# Whole streams: good lines and bad ones, however they are cut

NAMES = st.from_regex(r"\A[a-z]{1,8}\Z")
BAD_CSV = [b"too,many,cells,here", b"a b,", b"ann,\xff", b'"open"x,', b",nobody", b"only-one"]
BAD_NDJSON = [b"{", b"[]", b'{"id": 7}', b'{"id": "a b"}', b'{"id": "a", "x": 1}', b"\xff", b"NaN"]


def cut(body: bytes, places: list[int]) -> list[bytes]:
    """``body`` in pieces, cut wherever ``places`` say; some may be empty."""
    edges = [0, *sorted(place % (len(body) + 1) for place in places), len(body)]
    return [body[start:end] for start, end in pairwise(edges)]


@given(
    names=st.lists(NAMES, max_size=12),
    wrong=st.dictionaries(st.integers(0, 12), st.sampled_from(BAD_CSV), max_size=3),
    places=st.lists(st.integers(0)),
    end=st.sampled_from([b"\n", b"\r\n"]),
)
def test_bad_lines_of_csv_are_named_and_spoil_no_other_however_the_stream_is_cut(
    names: list[str], wrong: dict[int, bytes], places: list[int], end: bytes
) -> None:
    lines: list[bytes] = [f"{name},{n}".encode() for n, name in enumerate(names)]
    where = {n: line for n, line in wrong.items() if n <= len(lines)}
    for n, line in sorted(where.items(), reverse=True):
        lines.insert(n, line)
    body = end.join([b"id,attributes.n", *lines]) + end
    found = read(CsvRecords(), cut(body, places))
    assert found == read(CsvRecords(), [body])
    # The header is line 1, and every bad line stands behind those bad ones before it.
    assert list(bad(found)) == [n + 2 + m for m, n in enumerate(sorted(where))]
    good = [e for e in found if isinstance(e, Recipient)]
    assert [(e.id, e.attributes["n"]) for e in good] == [(v, str(n)) for n, v in enumerate(names)]


@given(
    names=st.lists(NAMES, max_size=12),
    wrong=st.dictionaries(st.integers(0, 12), st.sampled_from(BAD_NDJSON), max_size=3),
    places=st.lists(st.integers(0)),
)
def test_bad_lines_of_ndjson_are_named_and_spoil_no_other_however_the_stream_is_cut(
    names: list[str], wrong: dict[int, bytes], places: list[int]
) -> None:
    lines = [json.dumps({"id": v, "attributes": {"n": n}}).encode() for n, v in enumerate(names)]
    where = {n: line for n, line in wrong.items() if n <= len(lines)}
    for n, line in sorted(where.items(), reverse=True):
        lines.insert(n, line)
    body = b"\n".join(lines)
    found = read(NdjsonRecords(), cut(body, places))
    assert found == read(NdjsonRecords(), [body])
    assert list(bad(found)) == [n + 1 + m for m, n in enumerate(sorted(where))]
    good = [e for e in found if isinstance(e, Recipient)]
    assert [(e.id, e.attributes["n"]) for e in good] == [(v, n) for n, v in enumerate(names)]


@given(st.binary(max_size=300), st.lists(st.integers(0)))
def test_any_bytes_are_read_alike_however_they_are_cut(body: bytes, places: list[int]) -> None:
    assert read(NdjsonRecords(), cut(body, places)) == ndjson(body)
    whole = b"id,attributes.x\n" + body
    assert read(CsvRecords(), cut(whole, places)) == read(CsvRecords(), [whole])

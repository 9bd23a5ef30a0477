"""A log line is one JSON object, and never says whom a message went to or what it said."""

import asyncio
import json
import logging
import sys
import time
from uuid import UUID

import pytest
import structlog

from fogbell.telemetry.logs import MASK, configure_logging, mask

# Configuring is for a whole process, and other tests log too: so each case has its own.
PROLOGUE = """
import logging
import structlog
from uuid import UUID
from fogbell.telemetry.logs import configure_logging
configure_logging("worker", {level!r}, {form!r})
log = structlog.get_logger("fogbell_worker.lane")
"""


async def logged(code: str, level: str = "info", form: str = "json") -> str:
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        PROLOGUE.format(level=level, form=form) + code,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await child.communicate()
    assert (child.returncode, out) == (0, b"")
    return err.decode()


async def test_our_lines_and_those_of_libraries_have_one_form() -> None:
    ours, theirs = (await logged(
        "log.warning('claim_lost', delivery=UUID(int=1), seconds=1.5)\n"
        "logging.getLogger('uvicorn.error').warning('stopped by %s', 'ann@example.org')"
    )).splitlines()  # fmt: skip
    line = json.loads(ours)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "component": "worker",
        "delivery": str(UUID(int=1)),
        "event": "claim_lost",
        "level": "warning",
        "logger": "fogbell_worker.lane",
        "seconds": 1.5,
    }
    line = json.loads(theirs)
    assert (line["event"], line["component"]) == (f"stopped by {MASK}", "worker")


async def test_what_a_request_is_called_goes_along_with_every_line() -> None:
    line = json.loads(
        await logged(
            "structlog.contextvars.bind_contextvars(request_id='r-1')\n"
            "logging.getLogger('anything').warning('x')"
        )
    )
    assert line["request_id"] == "r-1"


TRACED = """
from opentelemetry.sdk.trace import TracerProvider
from fogbell.telemetry import traces
from fogbell.telemetry.lineage import Lineage
traces.use(TracerProvider().get_tracer("test"))
with traces.span("a", Lineage()) as span:
    log.info("ours")
    logging.getLogger("anything").warning("theirs")
    log.info("both", mine=[format(span.get_span_context().trace_id, "032x"),
                           format(span.get_span_context().span_id, "016x")])
log.info("after")
"""


async def test_a_line_says_within_which_span_it_was_written() -> None:
    ours, theirs, both, after = map(json.loads, (await logged(TRACED)).splitlines())
    expected = both["mine"]
    for line in (ours, theirs, both):
        assert [line["trace_id"], line["span_id"]] == expected
    assert not {"trace_id", "span_id"} & after.keys()


async def test_drivers_are_heard_only_when_something_is_wrong() -> None:
    code = (
        "logging.getLogger('aiormq.connection').info('amqp://guest:guest@host')\n"
        "logging.getLogger('pymongo.command').debug('a command with content')\n"
        "log.debug('ours')"
    )
    assert "ours" in await logged(code, level="debug")
    assert "guest" not in await logged(code, level="debug")
    assert await logged(code) == ""


STRANGE = """
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.util.re import parse_env_headers
from fogbell.telemetry import traces
traces.use(TracerProvider().get_tracer("test"))
for strange in ("00-nonsense-01", "x" * 9000, "00-" + "0" * 32 + "-" + "0" * 16 + "-01"):
    assert traces.extracted({"traceparent": strange, "tracestate": "a" * 9000}) is None
parse_env_headers("a key=s3cret", liberal=True)
logging.getLogger("urllib3.connectionpool").debug("http://collector.private:4318")
logging.getLogger("opentelemetry.exporter").debug("http://collector.private:4318")
"""


async def test_a_strangers_trace_an_exporters_key_and_each_export_are_told_of_nowhere() -> None:
    assert await logged(STRANGE, level="debug") == ""


REPEATING = """
def told(name, when, message="Transient error %s, retrying in %.2fs.", arguments=("refused", 1.0)):
    record = logging.LogRecord(name, logging.WARNING, "", 0, message, arguments, None)
    record.created = when
    logging.getLogger(name).handle(record)

exporter = "opentelemetry.exporter.otlp.proto.http.trace_exporter"
told(exporter, 1000.0)
told(exporter, 1005.0, arguments=("refused", 2.0))
told(exporter, 1005.0, "Failed to export %s batch due to timeout.", ("span",))
told(exporter, 1061.0, arguments=("hangs", 1.0))
told("uvicorn.error", 1000.0, "stopped", ())
told("uvicorn.error", 1001.0, "stopped", ())
"""


async def test_a_collector_that_is_away_is_told_of_once_a_minute() -> None:
    lines = (await logged(REPEATING)).splitlines()
    assert [json.loads(line)["event"] for line in lines] == [
        "Transient error refused, retrying in 1.00s.",
        "Failed to export span batch due to timeout.",
        "Transient error hangs, retrying in 1.00s.",
        "stopped",
        "stopped",
    ]


async def test_the_console_form_is_masked_too() -> None:
    line = await logged("log.info('sent', to='ann@example.org')", form="console")
    assert "sent" in line
    assert "ann@" not in line


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("to ann.o'neil+x@mail.example.org now", "to [masked] now"),
        ("ann@localhost", "[masked]"),
        ("call +31612345678", "call [masked]"),
        ("amqp://guest:p%40ss@rabbit:5672/", "amqp://[masked]@rabbit:5672/"),
        ("https://token@push.example.org/x", "https://[masked]@push.example.org/x"),
        ("key fbk_abcdefgh12345678 used", "key [masked] used"),
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "[masked]"),
        ("2026-11-22T20:30:00+00:00", "2026-11-22T20:30:00+00:00"),
        ("email.bulk on rabbit:5672", "email.bulk on rabbit:5672"),
    ],
)
def test_what_looks_like_an_address_or_a_secret_is_masked(text: str, expected: str) -> None:
    assert mask(None, "info", {"event": text})["event"] == expected


def test_masking_reaches_what_is_nested_and_what_is_no_text() -> None:
    class Person:
        def __repr__(self) -> str:
            return "Person(ann@example.org)"

    event = mask(
        None, "info", {"a": [{"b": ("ann@example.org",)}], "p": Person(), "n": 31612345678}
    )
    assert event == {"a": [{"b": [MASK]}], "p": f"Person({MASK})", "n": 31612345678}


@pytest.mark.parametrize("name", ["subject", "text", "address", "recipient_id", "data"])
def test_content_and_people_are_masked_by_the_name_of_their_field(name: str) -> None:
    assert mask(None, "info", {"event": "e", name: "harmless", "x": {name: 1}}) == {
        "event": "e",
        name: MASK,
        "x": {name: MASK},
    }


@pytest.mark.parametrize("text", ["a" * 200_000, "a@" * 100_000, "://" * 70_000, "+1" * 100_000])
def test_a_long_line_is_masked_in_linear_time(text: str) -> None:
    started = time.process_time()
    mask(None, "info", {"event": text})
    assert time.process_time() - started < 3


def test_configuring_twice_leaves_one_handler() -> None:
    root = logging.getLogger()
    handlers, level, before = root.handlers, root.level, structlog.get_config()
    try:
        configure_logging("a", "warning", "json")
        configure_logging("b", "warning", "json")
        assert len(root.handlers) == 1
    finally:
        root.handlers = handlers
        root.setLevel(level)
        structlog.configure(**before)


async def test_an_exception_is_named_with_its_place_and_never_quoted() -> None:
    lines = (
        await logged(
            "try:\n    raise ValueError('Ann Smith, diagnosis')\n"
            "except ValueError:\n    log.exception('batch_failed')\n"
            "    logging.getLogger('uvicorn').exception('failed')\n"
        )
    ).splitlines()
    assert "Smith" not in "".join(lines)
    for line in map(json.loads, lines):
        assert line["error"] == "ValueError"
        assert line["at"] == ["<string>:9 <module>"]

"""Previews of templates that nobody has tried yet, in a process that can be ended.

Rendering is bounded by counting already; this is the second wall. The child has a limit on its
memory and its processor time, no environment beyond what Python needs, and is killed when its time
is up.
"""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Mapping

from fogbell.model.content import Part
from fogbell.model.status import Channel
from fogbell.rendering.errors import (
    MissingVariableError,
    PreviewTimeoutError,
    RenderingError,
    TemplateSyntaxError,
)
from fogbell.rendering.rendered import (
    RenderedApprise,
    RenderedEmail,
    RenderedInbox,
    RenderedPart,
    RenderedPush,
    RenderedSms,
    RenderedWebhook,
)

START_SECONDS = 20.0
"""How long the child may take to start, which is not the template's fault."""
MAX_ANSWER = 8 * 1024 * 1024

_RENDERED: dict[Channel, type[RenderedPart]] = {
    Channel.EMAIL: RenderedEmail,
    Channel.SMS: RenderedSms,
    Channel.PUSH: RenderedPush,
    Channel.WEBHOOK: RenderedWebhook,
    Channel.APPRISE: RenderedApprise,
    Channel.INBOX: RenderedInbox,
}
_KEPT_VARIABLES = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "VIRTUAL_ENV")


async def preview_in_process(
    part: Part,
    channel: Channel,
    context: Mapping[str, object],
    *,
    timeout_seconds: float = 2.0,
) -> RenderedPart:
    """`preview`, in a child process that has ``timeout_seconds`` once it has started.

    ``context`` is JSON. Raises what `preview` raises, and `PreviewTimeoutError`;
    RuntimeError where no child can be started.
    """
    request = json.dumps(
        {
            "channel": channel.value,
            "part": part.model_dump(mode="json", by_alias=True),
            "context": context,
            "seconds": timeout_seconds,
        }
    )
    child = await _start()
    try:
        answer = await _ask(child, request.encode(), timeout_seconds)
    except TimeoutError:
        raise PreviewTimeoutError(channel.value, "rendering takes too long") from None
    finally:
        await _end(child)
    if not answer:
        raise PreviewTimeoutError(channel.value, "rendering takes too much time or memory")
    return _read_answer(channel, answer)


async def _start() -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "fogbell.rendering.preview_child",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ},
        limit=MAX_ANSWER,
    )


async def _ask(child: asyncio.subprocess.Process, request: bytes, seconds: float) -> bytes:
    assert child.stdin is not None
    assert child.stdout is not None
    async with asyncio.timeout(START_SECONDS):
        if not await child.stdout.readline():
            raise RuntimeError("the preview's process ended while it started")
    async with asyncio.timeout(seconds):
        with contextlib.suppress(ConnectionError):  # a dead child shows in its empty answer
            child.stdin.write(request)
            await child.stdin.drain()
            child.stdin.close()
        return await child.stdout.read()


async def _end(child: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        child.kill()
    await child.communicate()


def _read_answer(channel: Channel, answer: bytes) -> RenderedPart:
    match json.loads(answer):
        case {"rendered": dict(fields)}:
            return _RENDERED[channel](**fields)
        case {"missing": dict(missing)}:
            raise MissingVariableError(missing)
        case {"syntax": detail, "path": path, "line": line}:
            raise TemplateSyntaxError(path, detail, line)
        case {"error": detail, "path": path}:
            raise RenderingError(path, detail)
    raise RenderingError(channel.value, "the preview's process gave no answer that can be read")

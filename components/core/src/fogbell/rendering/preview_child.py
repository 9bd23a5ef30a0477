"""The process that renders one preview: a request on standard input, an answer on standard output.

It says ``ready`` once it has started, so that its time limit covers the template alone.
"""

import contextlib
import json
import math
import resource
import sys
from dataclasses import asdict

from pydantic import TypeAdapter

from fogbell.model.content import (
    AppriseContent,
    EmailContent,
    InboxContent,
    Part,
    PushContent,
    SmsContent,
    WebhookContent,
)
from fogbell.model.status import Channel
from fogbell.rendering.errors import MissingVariableError, RenderingError, TemplateSyntaxError
from fogbell.rendering.part import preview

MEMORY_BYTES = 512 * 1024 * 1024
_PARTS: dict[Channel, type[Part]] = {
    Channel.EMAIL: EmailContent,
    Channel.SMS: SmsContent,
    Channel.PUSH: PushContent,
    Channel.WEBHOOK: WebhookContent,
    Channel.APPRISE: AppriseContent,
    Channel.INBOX: InboxContent,
}


def main() -> None:
    """Answer one request, within limits of memory and processor time."""
    with contextlib.suppress(ValueError):  # macOS has this limit only in name
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    request = json.load(sys.stdin)
    _limit_seconds(request["seconds"])
    json.dump(_answer(request), sys.stdout)


def _limit_seconds(seconds: float) -> None:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    limit = math.ceil(usage.ru_utime + usage.ru_stime + seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))


def _answer(request: dict[str, object]) -> dict[str, object]:
    channel = Channel(str(request["channel"]))
    part: Part = TypeAdapter(_PARTS[channel]).validate_python(request["part"])
    context = request["context"]
    assert isinstance(context, dict)
    try:
        return {"rendered": asdict(preview(part, channel, context))}
    except MissingVariableError as error:
        return {"missing": error.missing}
    except TemplateSyntaxError as error:
        return {"syntax": error.problem, "path": error.path, "line": error.line}
    except RenderingError as error:
        return {"error": error.detail, "path": error.path}


if __name__ == "__main__":
    main()

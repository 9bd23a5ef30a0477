"""What some tests build or fetch, had before any of them runs: the time of a test is short.

``python -m tests.prepare``. The servers are the matter of ``fogbell servers install``. Each thing
is made once for a machine, outside the work tree.
"""

import asyncio
import sys

from bench import postfix
from monitoring.tools import promtool
from tests.chaos.tools import toxiproxy
from tests.support.commands import ToolError

from fogbell_local.servers import ServerError


def main() -> None:
    """Exits with a sentence where something cannot be had."""
    try:
        toxiproxy(print)
        promtool()
        asyncio.run(postfix.provide())
    except (ToolError, ServerError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()

"""How much one request may be. api.md's numbers, in one place."""

MAX_HEAD = 64 * 1024
"""Bytes of a request line and its headers."""

HEAD_TIMEOUT = 10.0
"""Seconds from the first byte of a request's head to its last."""

LINGER = 10.0
"""Seconds for which what is left of a body is read once its request is answered: a client that
still sends then reads the answer first."""

MAX_BODY = 1_000_000
"""Bytes of a JSON body."""

MAX_DEPTH = 32
"""Arrays and objects within each other in a JSON body."""

MAX_LINE = 64 * 1024
"""Bytes of one record of an import."""

BODY_TIMEOUT = 30.0
"""Seconds that a whole JSON body may take to arrive."""

CHUNK_TIMEOUT = 60.0
"""Seconds that an import may stay silent."""

MAX_NAMED = 1_000
"""Recipients and inline addresses in one post."""

MAX_BATCH = 100
"""Posts in one batch."""

MAX_PAGE = 200
DEFAULT_PAGE = 50
MAX_ERRORS = 100
"""Errors that one problem lists."""

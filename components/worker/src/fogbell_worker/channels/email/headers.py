"""Header values as they travel: ASCII, folded, and unable to become another header.

RFC 5322 for the form, RFC 2047 for what is not ASCII. A value with CR or LF is refused, never
repaired: whoever rendered it was fed something that a person should look at. Other control
characters have no place in a header and read as spaces.
"""

import re
from binascii import b2a_base64
from functools import lru_cache

from fogbell.model import address

_LINE = 76
_LONGEST_WORD = 900
_CONTROLS = dict.fromkeys((*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029), " ")
_WORD = re.compile(r" *[^ ]+")
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_SPECIAL = re.compile(r'(["\\])')


class InvalidHeaderError(ValueError):
    """A rendered header that cannot be sent; the message never repeats the value."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"{name}: {problem}")
        self.name = name
        self.problem = problem


def clean(name: str, value: str) -> str:
    """One line of text without control characters. Raises `InvalidHeaderError` for CR and LF."""
    if "\r" in value or "\n" in value:
        raise InvalidHeaderError(name, "expected a single line, came one with CR or LF")
    if not value.isprintable():
        value = value.translate(_CONTROLS)
    return value.strip()


def unstructured(name: str, value: str) -> str:
    """Free text, such as a subject: as it is where it is short ASCII, else folded or encoded."""
    text = clean(name, value)
    if text.isascii() and "=?" not in text:
        folded = _fold(text, len(name) + 2)
        if folded is not None:
            return folded
    return _encoded(text, len(name) + 2)


def structured(name: str, value: str) -> str:
    """What machines read (``List-Unsubscribe``, ``References``): ASCII, folded between words.

    ``List-Id`` alone may carry a phrase before its identifier (RFC 2919), which is encoded.
    """
    text = clean(name, value)
    if name.lower() == "list-id" and text.endswith(">"):
        words, _, identifier = text.rpartition("<")
        if words and identifier.isascii():
            return _phrase(name, words.strip(), f"<{identifier}")
    folded = _fold(text, len(name) + 2) if text.isascii() else None
    if folded is None:
        raise InvalidHeaderError(name, "expected ASCII in words of at most 900 characters")
    return folded


@lru_cache(maxsize=1024)
def mailbox(name: str, value: str) -> tuple[str, str]:
    """``Shop <shop@example.org>`` as a header's value, and its address alone.

    Cached, since a campaign says the same From a million times.
    """
    display, bare = split_mailbox(name, value)
    return (_phrase(name, display, f"<{bare}>") if display else bare), bare


def split_mailbox(name: str, value: str) -> tuple[str, str]:
    """Display name (maybe empty) and address. Raises `InvalidHeaderError`."""
    text = clean(name, value)
    try:
        return address.split_mailbox(text)
    except ValueError as error:
        raise InvalidHeaderError(name, str(error)) from None


def _phrase(name: str, words: str, tail: str) -> str:
    """A phrase and what follows it: atoms, a quoted string, or encoded words."""
    used = len(name) + 2
    if words.isascii() and "=?" not in words and used + len(words) < _LINE:
        text = words if _ATOMS.fullmatch(words) else '"' + _SPECIAL.sub(r"\\\1", words) + '"'
    else:
        text = _encoded(words, used)
    used = used if "\r\n" not in text else 0
    last = len(text) - text.rfind("\n") - 1
    fold = "\r\n" if used + last + 1 + len(tail) > _LINE else ""
    return f"{text}{fold} {tail}"


def _fold(text: str, used: int) -> str | None:
    """``text`` with line ends put before spaces, or None where one word is too long for a line."""
    if used + len(text) <= _LINE:
        return text
    lines: list[str] = []
    line = ""
    for word in _WORD.findall(text):
        if len(word) > _LONGEST_WORD:
            return None
        if line and used + len(line) + len(word) > _LINE:
            lines.append(line)
            line, used = word, 0
        else:
            line += word
    return "\r\n".join([*lines, line])


def _encoded(text: str, used: int) -> str:
    """RFC 2047 encoded words of whole characters, no line longer than 76 characters.

    Whitespace between two encoded words is dropped by readers, so the folds leave no trace.
    """
    data = text.encode("utf-8", "replace")
    words: list[str] = []
    start = 0
    while start < len(data):
        room = max(_LINE - used - len("=?utf-8?b??="), 8) // 4 * 3
        end = min(start + room, len(data))
        while end < len(data) and data[end] & 0xC0 == 0x80:
            end -= 1
        words.append(f"=?utf-8?b?{b2a_base64(data[start:end], newline=False).decode()}?=")
        start, used = end, 1
    return "\r\n ".join(words)

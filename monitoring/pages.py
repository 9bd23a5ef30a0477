"""Parts of the documentation that are written from the code, between two marks of a page."""

import re
from pathlib import Path
from typing import Final

DOCS: Final = Path(__file__).parents[1] / "docs"


def filled(text: str, part: str, content: str) -> str:
    """``text``, a page, with ``content`` between the marks of ``part``. Raises ValueError where it
    has no such marks.
    """
    begin, end = f"<!-- {part}: begin -->", f"<!-- {part}: end -->"
    fresh = f"{begin}\n\n{content}\n\n{end}"
    new, marks = re.subn(f"{begin}.*{end}", lambda _: fresh, text, flags=re.DOTALL)
    if not marks:
        raise ValueError(f"expected {begin} and {end} in the page")
    return new


def write(page: Path, part: str, content: str) -> None:
    """Write ``content`` between the marks of ``part``."""
    page.write_text(filled(page.read_text(), part, content))

"""Parts of the documentation that are written from the code, between two marks of a page."""

import re
from collections.abc import Iterable, Sequence
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


def markdown(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table."""
    lines = [heads, *rows]
    shown = [f"| {' | '.join(cells)} |" for cells in lines]
    return "\n".join([shown[0], "|---" * len(heads) + "|", *shown[1:]])


def write(page: Path, part: str, content: str) -> None:
    """Write ``content`` between the marks of ``part``."""
    page.write_text(filled(page.read_text(), part, content))

"""``python -m monitoring.pictures FOLDER``: draw each board whose answers are in FOLDER."""

import sys
from pathlib import Path

from monitoring.dashboards import BOARDS
from monitoring.pages import DOCS
from monitoring.pictures.drawing import draw
from monitoring.recording import kept

PICTURES = DOCS / "dashboards"


def main(folder: Path) -> None:
    """Draw all four. Raises FileNotFoundError where one was not recorded."""
    PICTURES.mkdir(exist_ok=True)
    for board in BOARDS:
        draw(board, kept(board, folder), PICTURES / f"{board.uid}.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

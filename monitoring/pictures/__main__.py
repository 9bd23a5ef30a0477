"""``python -m monitoring.pictures FOLDER``: draw each board whose answers are in FOLDER."""

import sys
from pathlib import Path

from monitoring.dashboards import BOARDS
from monitoring.pages import DOCS
from monitoring.pictures.drawing import draw
from monitoring.recording import kept

PICTURES = DOCS / "dashboards"


def main(folder: Path) -> None:
    """Draw all four, or none. Raises ValueError where one was not recorded."""
    recordings = {board.uid: kept(board, folder) for board in BOARDS}
    PICTURES.mkdir(exist_ok=True)
    for board in BOARDS:
        draw(board, recordings[board.uid], PICTURES / f"{board.uid}.png")


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except ValueError as error:
        sys.exit(str(error))

"""What goes wrong with a template, said without the data that went into it."""


class RenderingError(ValueError):
    """A part cannot be rendered with this data.

    ``path`` names the field as a JSON pointer does, without the leading slash
    (``email/subject``, ``webhook/data/items/0``); ``detail`` says what is wrong. Neither ever
    holds recipient data, so both may be kept with the delivery and logged.
    """

    def __init__(self, path: str, detail: str) -> None:
        super().__init__(f"{path}: {detail}")
        self.path = path
        self.detail = detail


class TemplateSyntaxError(RenderingError):
    """A field is not Liquid, or uses what Fogbell refuses. ``line`` counts from 1 in the field.

    ``problem`` is the detail without the line.
    """

    def __init__(self, path: str, detail: str, line: int | None = None) -> None:
        super().__init__(path, f"line {line}: {detail}" if line else detail)
        self.line = line
        self.problem = detail


class InvalidFieldError(RenderingError):
    """A field that holds no Liquid, and so would be wrong for everybody."""


class MissingVariableError(RenderingError):
    """A preview uses variables that its data lacks; ``missing`` names them all, by field."""

    def __init__(self, missing: dict[str, list[str]]) -> None:
        path = next(iter(missing))
        listed = "; ".join(f"{field}: {', '.join(names)}" for field, names in missing.items())
        super().__init__(path, f"these variables are unknown: {listed}")
        self.missing = missing


class PreviewTimeoutError(RenderingError):
    """A preview ran out of time or memory, and its process was ended."""

"""How much one rendering may cost.

python-liquid has no time limit and its own limits leave gaps (loops one after the other, filters
that multiply their input, ranges outside ``for``). So cost is counted where it arises: every loop
iteration by the code within it, every variable and filter by the size of what it touches, every
write by its length. One step is about a microsecond of work, mostly less.
"""

from liquid.exceptions import ResourceLimitError

MAX_STEPS = 60_000
"""Steps for one part, all fields together: 50 to 100 ms where every step is a dear one."""
STEP_SHIFT = 6
"""A step pays for 64 characters, or one element of a list, read or written."""
MAX_TEXT = 1_000_000
"""Characters written for one part, captured blocks included."""
MAX_VALUE = 1_000_000
"""Weight of one value, and of all assigned variables of one field together."""
MAX_INTEGER_BITS = 256
MAX_RANGE = 10_000
"""Numbers in one ``(a..b)``."""
MAX_LOCALS = 1_000
"""Variables that one field may assign."""

_ELEMENT = 1 << STEP_SHIFT


class BudgetError(ResourceLimitError):
    """The rendering costs more than it may."""


class Budget:
    """What is left for one rendering of one part."""

    __slots__ = ("steps", "text")

    def __init__(self, steps: int = MAX_STEPS, text: int = MAX_TEXT) -> None:
        self.steps = steps
        self.text = text

    def charge(self, steps: int) -> None:
        """Take ``steps``; raises `BudgetError` when they are used up."""
        self.steps -= steps
        if self.steps < 0:
            raise BudgetError("the template takes too many steps to render", token=None)

    def write(self, characters: int) -> None:
        """Take the room, and the steps, for writing so many characters."""
        self.text -= characters
        self.steps -= characters >> STEP_SHIFT
        if self.text < 0:
            raise BudgetError(f"the text is longer than {MAX_TEXT} characters", token=None)
        if self.steps < 0:
            self.charge(0)


def weigh(value: object, room: int = MAX_VALUE) -> int:
    """About how many characters ``value`` has as text, nested ones included.

    Raises `BudgetError` as soon as it is more than ``room``, so that weighing is bounded too.
    """
    if type(value) is str and len(value) <= room:
        return len(value)
    total = _weight(value)
    pending = [value] if isinstance(value, (list, tuple, dict)) else []
    while pending and total <= room:
        container = pending.pop()
        items = [*container, *container.values()] if isinstance(container, dict) else container
        total += _ELEMENT * len(items)
        for item in items:
            total += _weight(item)
            if isinstance(item, (list, tuple, dict)):
                pending.append(item)
    if total > room:
        raise BudgetError(
            f"a value is larger than {room} characters, or a list too long", token=None
        )
    return total


def _weight(value: object) -> int:
    if isinstance(value, str):
        return len(value)
    if isinstance(value, int) and value.bit_length() > MAX_INTEGER_BITS:
        raise BudgetError(f"a number has more than {MAX_INTEGER_BITS} bits", token=None)
    return 0

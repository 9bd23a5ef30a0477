"""Coming between an expansion and one of its pages."""

from collections import Counter
from collections.abc import Awaitable, Callable

import pytest

from fogbell.expansion.audience import Page
from fogbell.expansion.storing import Storing


def before_page_of(
    monkeypatch: pytest.MonkeyPatch, name: str, act: Callable[[], Awaitable[None]]
) -> None:
    """Await ``act``, which may raise, before the page with the recipient ``name`` is planned."""
    store = Storing.page

    async def acted(self: Storing, page: Page) -> Counter[str]:
        reached = page.reach.ids if page.reach else []
        if name in reached or any(person.key == name for person in page.people):
            await act()
        return await store(self, page)

    monkeypatch.setattr(Storing, "page", acted)

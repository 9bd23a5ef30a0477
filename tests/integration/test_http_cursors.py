"""Walking every list there is: each item once, in any steps, also while others are added."""

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.directory import Intake, directory_intake
from tests.support.inbox_intake import sign

from fogbell_intake.routes import TABLE

ITEMS = 7
TOKEN = {"Authorization": f"Bearer {sign('ann', timedelta(hours=1))}"}
Add = Callable[[Intake, str], Awaitable[str]]
fresh = itertools.count()


@dataclass
class Listed:
    """A list: where it is, how to add to it, and the name of an item's id."""

    path: str
    add: Add
    id: str = "id"
    query: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    full: bool = False
    items: set[str] = field(default_factory=set)

    async def ask(self, intake: Intake, **query: Any) -> httpx2.Response:
        path = self.path.replace("{run}", intake.app.state.run)
        given = {**self.query, **query}
        return await intake.client.get(path, params=given, headers=self.headers)

    async def page(self, intake: Intake, **query: Any) -> dict[str, Any]:
        answer = await self.ask(intake, **query)
        assert answer.status_code == 200, answer.text
        page: dict[str, Any] = answer.json()
        return page

    async def one_more(self, intake: Intake) -> None:
        self.items.add(await self.add(intake, f"n{next(fresh)}"))


async def _created(intake: Intake, path: str, **body: Any) -> str:
    answer = await intake.client.post(path, json=body)
    assert answer.status_code in (201, 202), answer.text
    return str(answer.json()["id"])


async def _post(intake: Intake, _: str) -> str:
    audience, content = {"recipients": ["ann"]}, {"inbox": {"title": "Hi"}}
    body = {"audience": audience, "channels": ["inbox"], "content": content, "reference": "walk"}
    return await _created(intake, "/v1/notifications", **body)


async def _item(intake: Intake, name: str) -> str:
    """An inbox item, as the delivery that it is."""
    run = await _post(intake, name)
    page = (await intake.client.get(f"/v1/notifications/{run}/deliveries")).json()
    return str(page["items"][0]["id"])


async def _recipient(intake: Intake, name: str) -> str:
    answer = await intake.client.put(f"/v1/recipients/{name}", json={"groups": ["walkers"]})
    return str(answer.json()["id"])


async def _template(intake: Intake, name: str) -> str:
    body = {"locales": {"en": {"inbox": {"title": name}}}}
    return str((await intake.client.put(f"/v1/templates/{name}", json=body)).json()["name"])


async def _key(intake: Intake, name: str) -> str:
    return await _created(intake, "/v1/api-keys", name=name, scopes=["read"])


async def _endpoint(intake: Intake, name: str) -> str:
    url, events = f"https://hooks.example.org/{name}", ["delivery.settled"]
    return await _created(intake, "/v1/endpoints", url=url, events=events)


async def _nothing(_: Intake, name: str) -> str:
    raise AssertionError(f"nothing called {name} is added to a list that is full")


LISTS = {
    "/v1/notifications": Listed("/v1/notifications", _post, query={"reference": "walk"}),
    "/v1/notifications/{id}/deliveries": Listed(
        "/v1/notifications/{run}/deliveries", _nothing, full=True
    ),
    "/v1/recipients": Listed("/v1/recipients", _recipient, query={"group": "walkers"}),
    "/v1/recipients/{id}/deliveries": Listed("/v1/recipients/ann/deliveries", _item),
    "/v1/templates": Listed("/v1/templates", _template, id="name"),
    "/v1/api-keys": Listed("/v1/api-keys", _key),
    "/v1/endpoints": Listed("/v1/endpoints", _endpoint, full=True),
    "/v1/inbox": Listed("/v1/inbox", _item, headers=TOKEN),
}


@pytest.fixture(scope="module")
async def intake(mongo_uri: str) -> AsyncIterator[Intake]:
    async with directory_intake(mongo_uri) as served:
        await served.client.put("/v1/recipients/ann", json={})
        addresses = [{"email": f"{n}@example.org"} for n in range(ITEMS)]
        body = {
            "audience": {"addresses": addresses},
            "channels": ["email"],
            "content": {"email": {"subject": "Fog", "text": "Bell."}},
        }
        posted = await served.client.post("/v1/notifications", json=body)
        served.app.state.run = posted.json()["id"]
        for listed in LISTS.values():
            if listed.add is not _nothing:
                for _ in range(ITEMS):
                    await listed.one_more(served)
        for listed in LISTS.values():
            # What was added to one list may be shown by others.
            listed.items = {item[listed.id] for item in (await listed.page(served))["items"]}
        yield served


def test_every_list_of_the_table_is_walked() -> None:
    paged = {
        route.path
        for route in TABLE
        if any(parameter.name == "after" for parameter in route.about.parameters)
    }
    assert LISTS.keys() == paged


@pytest.mark.parametrize("path", LISTS)
@settings(max_examples=8)
@given(limits=st.lists(st.integers(1, ITEMS + 2), min_size=1), added=st.integers(0, 2))
async def test_a_walk_shows_each_item_once_whatever_is_added_meanwhile(
    intake: Intake, path: str, limits: list[int], added: int
) -> None:
    listed = LISTS[path]
    before = {item[listed.id] for item in (await listed.page(intake, limit=200))["items"]}
    assert listed.items <= before
    seen: list[str] = []
    after: dict[str, str] = {}
    for limit in itertools.cycle(limits):
        page = await listed.page(intake, limit=limit, **after)
        assert len(page["items"]) <= limit
        seen += [item[listed.id] for item in page["items"]]
        if page["next"] is None:
            break
        after = {"after": page["next"]}
        if added and not listed.full:
            added -= 1
            await listed.one_more(intake)
    assert len(seen) == len(set(seen))
    assert before <= set(seen)


@pytest.mark.parametrize("path", LISTS)
async def test_a_cursor_is_taken_by_the_list_that_gave_it_alone(intake: Intake, path: str) -> None:
    listed = LISTS[path]
    given = (await listed.page(intake, limit=1))["next"]
    for other_path, other in LISTS.items():
        answer = await other.ask(intake, after=given)
        if other_path == path:
            assert answer.status_code == 200
        else:
            _is_refused(answer)


@settings(max_examples=20)
@given(path=st.sampled_from(sorted(LISTS)), where=st.integers(0), by=st.sampled_from("aZ0-_%.é"))
async def test_a_cursor_that_was_tampered_with_is_refused(
    intake: Intake, path: str, where: int, by: str
) -> None:
    listed = LISTS[path]
    given = (await listed.page(intake, limit=1))["next"]
    place = where % len(given)
    other = "b" if given[place] == by else by
    _is_refused(await listed.ask(intake, after=given[:place] + other + given[place + 1 :]))


def _is_refused(answer: httpx2.Response) -> None:
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-parameter"), answer.text
    assert answer.json()["errors"][0]["parameter"] == "after"

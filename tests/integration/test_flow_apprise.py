"""The apprise channel from the post to the service, and where its URLs must not show."""

from tests.support.chats import TOKEN, Chats, gotify_error
from tests.support.providers import served
from tests.support.system import Ground, System

SETTINGS = {
    "FOGBELL_OFFERED_CHANNELS": "apprise,inbox",
    "FOGBELL_APPRISE__SCHEMES": "gotify,discord",
    # within the short lease
    "FOGBELL_APPRISE__SEND_TIMEOUT": "3",
    "FOGBELL_APPRISE__CONNECT_TIMEOUT": "1",
    "FOGBELL_APPRISE__READ_TIMEOUT": "2",
}


async def test_a_message_goes_to_the_service_that_its_address_names(ground: Ground) -> None:
    service = Chats(answers=[gotify_error(500, "Internal", "")])
    async with served(service.app) as url, System(ground, settings=SETTINGS) as system:
        address = {"url": f"gotify://{url.removeprefix('http://')}/{TOKEN}"}
        await system.put_recipient("ann", addresses={"apprise": address})
        refused = {"url": f"json://{url.removeprefix('http://')}/{TOKEN}"}
        posted = await system.post(
            {
                "audience": {"recipients": ["ann"], "addresses": [{"apprise": refused}]},
                "channels": ["apprise"],
                "content": {"apprise": {"title": "Fog", "body": "{{ recipient.id }}: ring."}},
            }
        )
        await system.settled(posted["id"])
        shown = await system.deliveries(posted["id"])
        person = await system.get("/v1/recipients/ann")
    ann, inline = sorted(shown, key=lambda delivery: delivery["recipient_id"] or "~")
    assert ann["status"] == "delivered"
    assert [(a["outcome"], a["code"]) for a in ann["attempts"]] == [
        ("transient", "500"),
        ("accepted", None),
    ]
    assert [(m["title"], m["message"]) for m in service.messages] == [("Fog", "ann: ring.")]
    assert (inline["status"], inline["reason"]) == ("dead", "scheme_refused")
    assert inline["address"] == "json://***"
    assert person["addresses"]["apprise"] == {"scheme": "gotify"}
    logs = system.log_text()
    assert "apprise_schemes_reach_any_host" in logs
    assert TOKEN not in logs + str(shown) + str(person)

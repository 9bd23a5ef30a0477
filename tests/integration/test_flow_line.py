"""The thin line: from a post over HTTP to a mail at the provider, and back into the record."""

from typing import Any

from tests.support.account import email_ids
from tests.support.system import Ground, System, mail

from fogbell_local.sink.server import Behaviour

ANN = "ann.lee@example.org"


async def test_one_post_is_one_mail_and_the_logs_tell_of_ids_alone(ground: Ground) -> None:
    async with System(ground) as system:
        body = mail(ANN, content=_content("Your secret code", "It is 4711-zebra."))
        posted = await system.post(body)
        assert posted["expected"] == 1
        (shown,) = await system.settled(posted["id"])
        assert shown["totals"]["delivered"] == 1
        account = await system.account(posted["id"], expected=email_ids(posted["id"], [ANN]))
        assert [entry.to for entry in account.ledger] == [(ANN,)]
        counted = {"channel": "email", "outcome": "delivered"}
        assert await system.sample(system.worker(0), "fogbell_deliveries_total", **counted) == 1
        assert await system.sample(system.worker(0), "fogbell_end_to_end_seconds_count") == 1
        accepted = "fogbell_notifications_accepted_total"
        assert await system.sample(system.intake, accepted, lane="transactional") == 1
    logs = system.log_text()
    (record,) = account.records.values()
    assert posted["id"] in (system.logs / "intake.log").read_text()
    assert str(record["_id"]) in (system.logs / "worker-1.log").read_text()
    for told in (ANN, "ann.lee", "secret code", "4711-zebra", record["recipient_id"]):
        assert told not in logs


async def test_what_the_relay_refuses_for_now_is_tried_again_and_arrives_once(
    ground: Ground,
) -> None:
    ground.sink.restart(Behaviour(refuse_fraction=1 / 3))
    async with System(ground, workers=2) as system:
        people = [f"p{n}@example.org" for n in range(60)]
        posted = await system.post(mail(*people))
        await system.settled(posted["id"])
        account = await system.account(posted["id"], expected=email_ids(posted["id"], people))
        refused = {entry.delivery for entry in account.ledger if entry.outcome == "refused"}
        assert 5 < len(refused) < 40
        assert (account.statuses, account.duplicates) == ({"delivered": 60}, 0)
        for id_, record in account.records.items():
            assert _history(record) == (_RETRIED if str(id_) in refused else _AT_ONCE)
        shown = next(d for d in await system.deliveries(posted["id"]) if d["id"] in refused)
        assert shown["attempt_count"] == 2
        assert [attempt["number"] for attempt in shown["attempts"]] == [1, 2]


_AT_ONCE = [("accepted", "250", "2.0.0")]
_RETRIED = [("transient", "451", "4.7.1"), *_AT_ONCE]


def _history(record: Any) -> list[tuple[str, str, str]]:
    return [(a["outcome"], a["code"], a["enhanced_code"]) for a in record["attempts"]]


def _content(subject: str, text: str) -> dict[str, Any]:
    return {"email": {"subject": subject, "text": text}}

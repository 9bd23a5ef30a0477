"""The Campaign resource on a real API server: what it refuses, and what it makes of the rest."""

import json
from typing import Any

import pytest
import yaml
from tests.cluster.campaigns import YEARLY
from tests.cluster.harness.places import REPOSITORY
from tests.cluster.kube import Kube, Object, RefusedError
from tests.cluster.operating import document

CRD = REPOSITORY / "k8s" / "crds" / "campaigns.yaml"
ONCE = {"schedule": None, "at": "2030-12-24T09:00:00+01:00"}
EMAIL = {"subject": "s", "text": "t"}


def schema() -> Object:
    version = yaml.safe_load(CRD.read_text())["spec"]["versions"][0]
    found: Object = version["schema"]["openAPIV3Schema"]
    return found


def dry(kube: Kube, found: Object) -> Object:
    """What the API server would store."""
    text = kube.run(
        *("create", "--dry-run=server", "--output=json", "--validate=strict", "--filename=-"),
        stdin=json.dumps(found),
    )
    stored: Object = json.loads(text)
    return stored


RULES: list[tuple[dict[str, Any], str]] = [
    ({"schedule": None}, "expected exactly one of 'schedule' and 'at'"),
    ({**ONCE, "schedule": "0 2 * * *"}, "expected exactly one of 'schedule' and 'at'"),
    ({"content": None}, "expected exactly one of 'template' and 'content'"),
    ({"template": {"name": "x"}}, "expected exactly one of 'template' and 'content'"),
    (
        {**ONCE, "timeZone": "Etc/UTC"},
        "'timeZone' goes with 'schedule'; 'at' has its offset in itself",
    ),
    *(
        (
            {"channels": [channel], "content": {"inbox": {"title": "t"}}},
            f"the channel '{channel}' needs 'content.{channel}'",
        )
        for channel in ("email", "sms", "push", "webhook", "apprise")
    ),
    ({"channels": ["inbox"]}, "the channel 'inbox' needs 'content.inbox'"),
    (
        {"schedule": "@every 5m"},
        "'@every' drifts and has no scheduled time: write five fields of cron, such as"
        " */15 * * * *",
    ),
    *(
        (
            {"schedule": f"{word}=UTC 0 2 * * *"},
            "write the time zone into 'timeZone', not into 'schedule'",
        )
        for word in ("TZ", "CRON_TZ")
    ),
    *(
        (
            {"schedule": None, "at": at},
            "expected a whole minute, such as 2026-12-24T09:00:00+01:00",
        )
        for at in ("2030-12-24T09:00:01Z", "2030-12-24T09:00:00.5Z")
    ),
    ({"audience": {}}, "expected either 'all: true', or any of 'groups', 'recipients' and 'match'"),
    (
        {"audience": {"all": True, "groups": ["g"]}},
        "expected either 'all: true', or any of 'groups', 'recipients' and 'match'",
    ),
    ({"content": {"email": {"subject": "s"}}}, "expected 'text', 'html' or both"),
    (
        {"audience": {"groups": ["a b"]}},
        "expected the name of a group: letters, digits and . _ : @ - alone",
    ),
    (
        {"audience": {"recipients": ["a b"]}},
        "expected a recipient's id: letters, digits and . _ : @ - alone",
    ),
    *(
        ({"expiresAfter": time}, "expected a number and s, m, h or d, such as 90m, 12h or 3d")
        for time in ("1w", "0h", "soon")
    ),
]
LIMITS: list[tuple[dict[str, Any], str]] = [
    ({"schedule": "* * *"}, "spec.schedule"),
    ({"schedule": "x" * 121}, "spec.schedule: Too long"),
    ({"schedule": None, "at": "tomorrow"}, "spec.at"),
    ({"timeZone": "x" * 65}, "spec.timeZone: Too long"),
    ({"suspend": "yes"}, "spec.suspend"),
    ({"startingDeadlineSeconds": 29}, "should be greater than or equal to 30"),
    ({"startingDeadlineSeconds": 86_401}, "should be less than or equal to 86400"),
    ({"successfulRunsHistoryLimit": 0}, "should be greater than or equal to 1"),
    ({"failedRunsHistoryLimit": 0}, "should be greater than or equal to 1"),
    ({"audience": None}, "spec.audience: Required value"),
    ({"audience": {"groups": []}}, "should have at least 1 items"),
    ({"audience": {"groups": ["a", "a"]}}, "Duplicate value"),
    ({"audience": {"recipients": [f"r{n}" for n in range(251)]}}, "must have at most 250 items"),
    ({"audience": {"match": {}}}, "should have at least 1 properties"),
    ({"channels": None}, "spec.channels: Required value"),
    ({"channels": []}, "should have at least 1 items"),
    ({"channels": ["fax"]}, 'Unsupported value: "fax"'),
    ({"channels": ["email", "email"]}, "Duplicate value"),
    ({"content": None, "template": {}}, "spec.template.name: Required value"),
    ({"content": None, "template": {"name": "A"}}, "should match"),
    ({"content": None, "template": {"name": "a", "version": 0}}, "greater than or equal to 1"),
    ({"content": {"email": {"text": "t"}}}, "spec.content.email.subject: Required value"),
    ({"content": {"email": {**EMAIL, "subject": "a\nb"}}}, "should match"),
    ({"content": {"email": {**EMAIL, "text": "x" * 20_001}}}, "Too long"),
    ({"throttle": {"perSecond": 0}}, "should be greater than or equal to 1"),
    ({"expiresAfter": "123456789"}, "spec.expiresAfter: Too long"),
    ({"nonsense": 1}, 'unknown field "spec.nonsense"'),
    ({"content": {"email": {**EMAIL, "reply_to": "a@b"}}}, "unknown field"),
]


@pytest.mark.parametrize(("changes", "said"), RULES + LIMITS)
def test_what_is_refused_is_refused_with_a_sentence(
    admin: Kube, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(RefusedError) as refused:
        dry(admin, document("refused", **changes))
    assert said in str(refused.value)


def test_a_name_may_be_as_long_as_its_cronjob_leaves_room_for(admin: Kube) -> None:
    dry(admin, document("x" * 40))
    with pytest.raises(RefusedError, match="expected a name of at most 40 characters"):
        dry(admin, document("x" * 41))


def test_a_time_is_never_changed(kube: Kube) -> None:
    kube.apply(document("once", **ONCE))
    immutable = "'at' cannot be changed: delete the campaign and apply another"
    for changes in ({**ONCE, "at": "2031-12-24T09:00:00Z"}, {}):
        with pytest.raises(RefusedError, match=immutable):
            kube.apply(document("once", **changes))
    kube.apply(document("once", **ONCE, suspend=True, data={"a": 1}))
    kube.apply(document("often"))
    with pytest.raises(RefusedError, match=immutable):
        kube.apply(document("often", **ONCE))


def test_every_rule_has_a_test() -> None:
    def rules(node: Any) -> set[str]:
        found: set[str] = set()
        if isinstance(node, dict):
            found |= {r["message"] for r in node.get("x-kubernetes-validations", ())}
            for child in node.values():
                found |= rules(child)
        return found

    elsewhere = {"'at' cannot be changed: delete", "expected a name of at most 40"}
    tried = {said for _, said in RULES}
    left = {m for m in rules(schema()) - tried if not m.startswith(tuple(elsewhere))}
    assert left == set()


@pytest.mark.parametrize("sample", sorted((REPOSITORY / "k8s" / "samples").glob("*.yaml")), ids=str)
def test_a_sample_is_taken(admin: Kube, sample: Any) -> None:
    dry(admin, yaml.safe_load(sample.read_text()))


def test_what_is_not_said_has_a_default(admin: Kube) -> None:
    spec = dry(admin, document("brief"))["spec"]
    assert {name: spec[name] for name in spec.keys() - document("brief")["spec"].keys()} == {
        "suspend": False,
        "startingDeadlineSeconds": 300,
        "successfulRunsHistoryLimit": 3,
        "failedRunsHistoryLimit": 3,
    }


def test_the_largest_that_its_limits_allow_is_taken(admin: Kube) -> None:
    audience = {
        "groups": [f"g{n}" + "x" * 120 for n in range(100)],
        "recipients": [f"r{n}" + "x" * 120 for n in range(250)],
        "match": {f"a{n}": {"in": ["x"] * 20} for n in range(20)},
    }
    content = {"email": {"subject": "s" * 1_000, "html": "h" * 10_000}}
    dry(admin, document("large", audience=audience, content=content, data={"a": "x" * 5_000}))


def test_a_list_shows_what_one_asks_first(kube: Kube) -> None:
    kube.apply(document("nightly"))
    heads = kube.run("get", "campaigns").splitlines()[0].split()
    assert heads == [
        *("NAME", "SCHEDULE", "SUSPEND", "READY", "REASON", "ACTIVE"),
        *("EXPECTED", "DELIVERED", "LAST", "NEXT", "AGE"),
    ]
    wide = kube.run("get", "camp", "--output=wide").splitlines()[0].split()
    assert {"AT", "FAILED", "DEAD"} == set(wide) - set(heads)
    assert YEARLY in kube.run("get", "fogbell")


def test_explain_reads_like_documentation(admin: Kube) -> None:
    text = admin.run("explain", "campaign.spec")
    for name in schema()["properties"]["spec"]["properties"]:
        assert f"\n  {name}\t<" in text, name
    assert "<no description>" not in admin.run("explain", "campaign", "--recursive")
    assert "Europe/Amsterdam" in text
    assert "email, sms, push, webhook, apprise, inbox" in text.replace("\n    ", " ")
    assert "Default: 300." in text
    assert "whole minute" in admin.run("explain", "campaign.spec.at")
    assert "LastRunSucceeded" in admin.run("explain", "campaign.status.conditions")


def test_a_status_is_written_beside_the_spec_and_never_with_it(kube: Kube) -> None:
    kube.apply({**document("nightly"), "status": {"active": 7}})
    found = kube.get("campaign", "nightly")
    assert found is not None
    assert "status" not in found
    patch = json.dumps({"spec": {"suspend": True}, "status": {"active": 1}})
    kube.run(
        *("patch", "campaign", "nightly", "--subresource=status", "--type=merge"),
        f"--patch={patch}",
    )
    found = kube.get("campaign", "nightly")
    assert found is not None
    assert (found["status"]["active"], found["spec"]["suspend"]) == (1, False)

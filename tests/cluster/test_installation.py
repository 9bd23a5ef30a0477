"""The installation on a real cluster: what Helm makes of it, and what its pods survive."""

import pytest
from tests.cluster.campaigns import YEARLY, exactly, make_job, name
from tests.cluster.installation import (
    CHART,
    RELEASE,
    VALUES,
    Installation,
    helm,
)
from tests.cluster.kube import names, wait_until


def test_helms_own_test_posts_a_notification_and_sees_it_delivered(
    installation: Installation,
) -> None:
    helm(installation.kube, "test", RELEASE, "--timeout=3m")
    assert any("helm-test@example.org" in entry.to for entry in installation.sink.entries())


def test_a_second_operator_in_the_namespace_is_refused(installation: Installation) -> None:
    with pytest.raises(AssertionError, match="has an operator in this namespace already"):
        helm(
            installation.kube,
            "install",
            "second",
            CHART,
            f"--values={VALUES}",
            "--set=crds.install=false,email.url=smtp://127.0.0.1:25",
        )


def test_every_pod_is_restricted_and_runs_as_nobody(installation: Installation) -> None:
    for pod in installation.kube.find("pods"):
        for container in pod["spec"]["containers"]:
            context = container["securityContext"]
            assert context["readOnlyRootFilesystem"] is True, pod["metadata"]["name"]
            assert context["capabilities"] == {"drop": ["ALL"]}


def test_an_upgrade_with_changed_values_keeps_campaigns_and_loses_no_delivery(
    installation: Installation,
) -> None:
    mine = name()
    installation.campaign(mine, mine, suspend=True)
    people = installation.directory(mine, 2400)
    running = f"{mine}-running"
    installation.campaign(running, mine, schedule=YEARLY, throttle={"perSecond": 30})
    make_job(installation.kube, running, f"{running}-by-hand")
    installation.until_reached(mine)
    installation.upgrade("--set=worker.settings.FOGBELL_LOG__LEVEL=debug")
    assert len(installation.mails(mine)) < len(people), "nothing was in flight any more"
    exactly(installation, mine, len(people))
    assert installation.kube.get("campaign", mine) is not None


def test_a_worker_deleted_with_force_in_mid_batch_loses_nothing(
    installation: Installation,
) -> None:
    mine = name()
    people = installation.directory(mine, 12_000)
    pods = names(installation.kube.pods("worker"))
    notification = installation.mail_group(mine)
    installation.until_reached(mine)
    installation.kube.delete("pod", *pods, force=True)
    assert len(installation.mails(mine)) < len(people), "it was not in the middle"
    ended = installation.until_settled(notification)
    assert ended["totals"]["delivered"] == len(people)
    assert set(installation.mails(mine)) == set(people)


def test_what_failed_while_the_relay_was_down_is_delivered_by_retry(
    installation: Installation,
) -> None:
    mine = name()
    people = installation.directory(mine, 20)
    installation.sink.stop()
    try:
        notification = installation.mail_group(mine)
        with installation.api() as api:
            wait_until(
                "a delivery that waits to be tried again",
                lambda: any(d["reason"] and not d["settled"] for d in api.deliveries(notification)),
                90,
            )
    finally:
        installation.sink.restart()
    installation.until_mails(mine, len(people), seconds=300)


def test_a_pool_scales_from_one_to_three_and_back_under_load_with_nothing_lost(
    installation: Installation,
) -> None:
    mine = name()
    people = installation.directory(mine, 4000)
    deployment = f"deployment/{RELEASE}-worker-main"
    first = installation.mail_group(mine)
    installation.kube.run("scale", deployment, "--replicas=3")
    installation.kube.run("rollout", "status", deployment, "--timeout=180s")
    second = installation.mail_group(mine)
    wait_until("mails of the second run", lambda: 2 in installation.mails(mine).values(), 120)
    installation.kube.run("scale", deployment, "--replicas=1")
    for notification in (first, second):
        ended = installation.until_settled(notification)
        assert ended["totals"]["delivered"] == len(people)
    mails = installation.mails(mine)
    assert set(mails) == set(people)
    assert min(mails.values()) == 2

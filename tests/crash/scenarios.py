"""Who dies at each step, and what brings them there."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.crash import work
from tests.crash.work import Work

ALMOST_NO_TIME = {
    f"FOGBELL_RETENTION__{what}_DAYS": "0.00001"
    for what in ("DELIVERIES", "NOTIFICATIONS", "INBOX")
}
"""Nine tenths of a second."""


@dataclass(frozen=True)
class Scenario:
    """``victim`` dies at the step while ``work`` is done, which is repeated until it does.

    ``without`` are components that do not stand meanwhile; ``before`` is done before the victim
    starts. ``settings`` are the victim's and of who takes its place.
    """

    victim: str
    work: Work
    without: tuple[str, ...] = ()
    before: Work | None = None
    settings: Mapping[str, str] = field(default_factory=dict)


NO_WORKER = ("worker",)
RUN = Scenario("campaign", work.nothing, before=work.run_at_once)
PACED_RUN = Scenario("campaign", work.nothing, before=work.run_to_come)
STOPPED_RUN = Scenario("campaign", work.stopped_in_an_expansion, before=work.long_run_to_come)

SCENARIOS: dict[str, list[Scenario]] = {
    "fogbell.broker.consumer:_Session.flush.basic_ack": [Scenario("worker", work.one_mail)],
    "fogbell.broker.consumer:_Session.flush.basic_ack#2": [Scenario("worker", work.out_of_order)],
    "fogbell.broker.consumer:Consumer._on_message.basic_reject": [
        Scenario("worker", work.undecodable)
    ],
    "fogbell.broker.publisher:Publisher._send.basic_publish": [
        Scenario("intake", work.one_mail),
        Scenario("worker", work.chunks),
        RUN,
        Scenario("retry", work.soon),
    ],
    "fogbell.expansion.storing:_publish_alike.publish": [
        Scenario("worker", work.chunks),
        RUN,
    ],
    "fogbell.expansion.storing:publish_new.publish": [
        Scenario("intake", work.one_mail),
        Scenario("worker", work.named_in_bulk),
    ],
    "fogbell.expansion.storing:publish_new.publish_event": [Scenario("worker", work.inbox_run)],
    "fogbell.replay:_publish.publish": [Scenario("intake", work.replayed_run)],
    "fogbell.replay:_publish.publish#2": [
        Scenario("intake", work.replayed_all, without=NO_WORKER, before=work.recovered)
    ],
    "fogbell.store.cancelling:_expanded.update_one": [
        Scenario("intake", work.cancelled_before_its_time)
    ],
    "fogbell.store.cancelling:_finish.update_one": [
        Scenario("intake", work.cancelled_run, without=NO_WORKER)
    ],
    "fogbell.store.cancelling:_settle_page.update_many": [
        Scenario("intake", work.cancelled_run, without=NO_WORKER)
    ],
    "fogbell.store.cancelling:mark.update_one": [
        Scenario("intake", work.cancelled_run, without=NO_WORKER)
    ],
    "fogbell.store.cancelling:postpone.update_one": [
        Scenario("retry", work.cancelled_while_expanding, without=NO_WORKER)
    ],
    "fogbell.store.chunks:_void.bulk_write": [
        Scenario("retry", work.nothing, before=work.EXPANDED, without=NO_WORKER)
    ],
    "fogbell.store.chunks:end.delete_one": [
        Scenario("worker", work.chunks),
        Scenario("retry", work.nothing, before=work.LOST_CHUNK, without=NO_WORKER),
    ],
    "fogbell.store.chunks:seize.update_one": [
        Scenario("retry", work.nothing, before=work.LOST_CHUNK, without=NO_WORKER)
    ],
    "fogbell.store.chunks:take.update_one": [Scenario("worker", work.chunks)],
    "fogbell.store.claims:_claim_one.find_one_and_update": [Scenario("worker", work.one_mail)],
    "fogbell.store.claims:claim.update_many": [Scenario("worker", work.twenty_mails)],
    "fogbell.store.claims:release.update_many": [
        Scenario("worker", work.told_to_stop, settings={"FOGBELL_TRANSACTIONAL__SLOTS": "2"})
    ],
    "fogbell.store.deliveries:_insert_some.insert_many": [
        Scenario("worker", work.chunks),
        RUN,
    ],
    "fogbell.store.expansions:_hold.update_one": [
        Scenario("worker", work.chunks),
        RUN,
    ],
    "fogbell.store.expansions:checkpoint.update_one": [PACED_RUN],
    "fogbell.store.expansions:fail.find_one_and_update": [
        Scenario("worker", work.defect, settings={"FOGBELL_PROTOCOL__EXPANSION_FAILURES": "1"})
    ],
    "fogbell.store.expansions:finish.update_one": [
        Scenario("worker", work.chunks),
        RUN,
    ],
    "fogbell.store.expansions:give_back.update_one": [STOPPED_RUN],
    "fogbell.store.expansions:postpone.update_many": [Scenario("retry", work.soon)],
    "fogbell.store.expansions:resume.update_one": [
        Scenario("intake", work.resumed, without=NO_WORKER)
    ],
    "fogbell.store.expansions:take.find_one_and_update": [
        Scenario("worker", work.chunks),
        RUN,
    ],
    "fogbell.store.notifications:_commit.commit_transaction": [Scenario("intake", work.one_mail)],
    "fogbell.store.notifications:_insert.insert_many": [Scenario("intake", work.twenty_mails)],
    "fogbell.store.notifications:_insert_few.command": [
        Scenario("intake", work.one_mail),
        Scenario("intake", work.large_audience),
        RUN,
    ],
    "fogbell.store.progress:settle.bulk_write": [Scenario("retry", work.one_mail)],
    "fogbell.store.records:_accept_late.update_one": [Scenario("worker", work.late_answer)],
    "fogbell.store.records:record.bulk_write": [
        Scenario("worker", work.one_mail),
        Scenario("worker", work.chunks),
    ],
    "fogbell.store.replay_pages:_put_back.both.update_many": [
        Scenario("intake", work.replayed_run)
    ],
    "fogbell.store.replay_pages:_put_back.both.update_one": [Scenario("intake", work.replayed_run)],
    "fogbell.store.replaying:begin.find_one_and_update": [Scenario("intake", work.replayed_run)],
    "fogbell.store.replaying:finish.update_one": [Scenario("intake", work.replayed_run)],
    "fogbell.store.reporting:_insert.insert_many": [Scenario("retry", work.told_of)],
    "fogbell.store.reporting:_insert.insert_many#2": [Scenario("retry", work.told_of)],
    "fogbell.store.reporting:report.both.update_many": [Scenario("retry", work.told_of)],
    "fogbell.store.retention:_apply.bulk_write": [
        Scenario("retry", work.to_be_deleted, settings=ALMOST_NO_TIME)
    ],
    "fogbell.store.retention:_apply.bulk_write#2": [
        Scenario("retry", work.to_be_deleted, settings=ALMOST_NO_TIME)
    ],
    "fogbell.store.retention:_hold.update_many": [
        Scenario("retry", work.to_be_deleted, settings=ALMOST_NO_TIME)
    ],
    "fogbell.store.sweep_state:finished.update_one": [Scenario("retry", work.one_mail)],
    "fogbell.store.sweep_state:note_leases_ended.update_one": [Scenario("retry", work.one_mail)],
    "fogbell.store.sweep_state:observe.update_one": [Scenario("retry", work.one_mail)],
    "fogbell.store.sweeping:expire_leases.update_many": [
        Scenario("retry", work.nothing, before=work.LOST, without=NO_WORKER),
        Scenario("retry", work.nothing, before=work.LOST_CHUNK, without=NO_WORKER),
    ],
    "fogbell.store.sweeping:move_forward.update_many": [
        Scenario("retry", work.posted, without=NO_WORKER)
    ],
    "fogbell.store.transactions:_commit.commit_transaction": [
        Scenario("intake", work.replayed_run),
        Scenario("retry", work.told_of),
    ],
    "fogbell_intake.accepting:Accepter._publish.publish_expansion": [
        Scenario("intake", work.large_audience)
    ],
    "fogbell_intake.routes.changes:_resumed.publish_expansion": [
        Scenario("intake", work.resumed, without=NO_WORKER)
    ],
    "fogbell_retry.reporting:Reporter._report.publish": [Scenario("retry", work.told_of)],
    "fogbell_retry.sweep:Sweeper._expire.publish": [
        Scenario("retry", work.nothing, before=work.LOST, without=NO_WORKER)
    ],
    "fogbell_retry.sweep:Sweeper._release.publish": [
        Scenario("retry", work.posted, without=NO_WORKER)
    ],
    "fogbell_retry.sweep:Sweeper._release.publish#2": [
        Scenario("retry", work.nothing, before=work.LOST, without=NO_WORKER)
    ],
    "fogbell_retry.sweep:Sweeper._sweep_expansions.publish_expansion": [
        Scenario("retry", work.soon)
    ],
    "fogbell_worker.lane:LaneRunner._send.send": [Scenario("worker", work.one_mail)],
}
"""For each step who dies there. A step without a scenario fails a test."""

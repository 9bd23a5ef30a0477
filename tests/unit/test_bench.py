"""What the benches compute from their samples, and keep of them."""

from pathlib import Path
from typing import Any

import pytest
from bench import results, table
from bench.http import quantile
from bench.report import page
from bench.running import Measured
from bench.values import Aim, Medians, Row, Sample, ratio


def sample(system: str, setting: str, number: int, rate: float) -> Sample:
    return Sample(system, setting, number, {"rate": rate})


SAMPLES = [
    sample("fogbell", "1 process", 1, 90.0),
    sample("peer", "1 process", 1, 9.0),
    sample("fogbell", "1 process", 2, 110.0),
    sample("peer", "1 process", 2, 11.0),
    sample("fogbell", "1 process", 3, 100.0),
    sample("peer", "1 process", 3, 50.0),
    sample("peer", "2 processes", 3, 20.0),
]


def aims(medians: Medians) -> list[Aim]:
    own, peer = medians.best("fogbell", "rate"), medians.best("peer", "rate")
    return [Aim("work: Fogbell / best peer", ratio(own, peer), "times", least=10)]


ROW = Row("work", "some work", "rate", "deliveries/s", lambda _: [], aims)


def document(**changes: Any) -> results.Json:
    measured = Measured(ROW, SAMPLES, ["work, peer: lost one"])
    about = {"processor": "p", "cores": 2, "memory_gb": 4, "system": "s", "disk": "d"}
    return results.document([measured], about, {"python": "3"}, "abc") | changes


def test_a_single_slow_round_does_not_move_the_median() -> None:
    assert Medians(SAMPLES).get("peer", "1 process", "rate") == 11.0


def test_systems_are_compared_at_the_best_setting_of_each() -> None:
    assert Medians(SAMPLES).best("peer", "rate") == 20.0
    assert document()["aims"][0]["value"] == 5.0


@pytest.mark.parametrize(
    ("value", "least", "most", "met"),
    [(10, 10, None, True), (9.9, 10, None, False), (3, None, 3, True), (3.1, None, 3, False)],
)
def test_an_aim_is_met_at_its_bound(
    value: float, least: float | None, most: float | None, met: bool
) -> None:
    assert Aim("a", value, "times", least=least, most=most).met is met


def test_what_was_not_measured_is_not_met() -> None:
    assert not Aim("a", None, "times", most=3).met
    assert ratio(1.0, None) is None


def test_every_sample_is_kept() -> None:
    cases = document()["rows"]["work"]["cases"]
    kept = [(c["system"], c["setting"], s["rate"]) for c in cases for s in c["samples"]]
    assert sorted(kept) == sorted((s.system, s.setting, s.figures["rate"]) for s in SAMPLES)


def test_a_later_run_replaces_its_own_rows_in_the_newest_and_no_others() -> None:
    growth = document(rows={"sweep": {}}, aims=[{"name": "sweep: flat"}], faults=["sweep, x: y"])
    both = results.merged(document(), growth)
    assert set(both["rows"]) == {"work", "sweep"}
    assert [aim["name"] for aim in both["aims"]] == ["work: Fogbell / best peer", "sweep: flat"]
    assert both["faults"] == ["work, peer: lost one", "sweep, x: y"]
    again = results.merged(both, document(faults=[]))
    assert again["faults"] == ["sweep, x: y"]


def test_a_run_is_kept_by_its_time_and_as_the_newest(tmp_path: Path) -> None:
    own = results.write(tmp_path, document())
    assert own.read_text() == (tmp_path / results.LATEST).read_text()


def test_the_table_says_plainly_what_is_not_met_and_what_has_failed() -> None:
    lines = "\n".join(table.lines(document()))
    assert "NOT met" in lines
    assert "FAILED  work, peer: lost one" in lines


def test_the_page_shows_each_case_with_its_spread_and_its_ratio() -> None:
    text = page.written(document(), {})
    assert "| peer | 1 process | 11.0 | 9.00 to 50.0 | 9.1 times |" in text
    assert "**not met**" in text


def test_p99_is_the_slowest_percent() -> None:
    assert quantile([float(n) for n in range(1000)], 0.99) == 990.0
    assert quantile([], 0.99) == 0.0

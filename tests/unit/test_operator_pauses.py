"""How often a Campaign is looked at while its run goes on."""

from fogbell_operator.pauses import Pauses


def looks(pauses: Pauses, *news: bool) -> list[float]:
    return [pauses.after("sale", news=each) for each in news]


def test_while_counts_move_it_is_soon() -> None:
    assert looks(Pauses(3, 30), True, True, True) == [3, 3, 3]


def test_while_they_stand_it_is_less_and_less_often() -> None:
    assert looks(Pauses(3, 30), False, False, False, False, False, False) == [3, 6, 12, 24, 30, 30]


def test_counts_that_move_again_make_it_soon_again() -> None:
    assert looks(Pauses(3, 30), False, False, True, False) == [3, 6, 3, 6]


def test_what_is_heard_of_it_makes_it_soon_again_without_news() -> None:
    """A pod that became ready after a minute: the counts of its run move from now on."""
    pauses = Pauses(3, 30)
    looks(pauses, False, False, False, False)
    pauses.reset("sale")
    assert looks(pauses, False, False) == [3, 6]


def test_each_has_its_own() -> None:
    pauses = Pauses(3, 30)
    looks(pauses, False, False)
    pauses.reset("another")
    assert pauses.after("another", news=False) == 3
    assert pauses.after("sale", news=False) == 12

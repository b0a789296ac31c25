"""How often what grows with a sweep is done."""

from hypothesis import given
from hypothesis import strategies as st

from caviar.scheduler.execution.throttle import Pace


def test_what_takes_no_time_is_due_after_the_interval() -> None:
    pace = Pace(10.0, 0.02)
    assert pace.due(0.0)
    pace.done(0.0, 0.0)
    assert not pace.due(9.9)
    assert pace.due(10.0)


@given(st.lists(st.floats(0.0, 100.0), min_size=2, max_size=50))
def test_what_takes_long_never_takes_more_than_its_share_of_the_time(takes: list[float]) -> None:
    pace, now, spent = Pace(0.5, 0.05), 0.0, 0.0
    for took_s in takes:
        while not pace.due(now):
            now += 0.25
        assert spent <= 0.05 * now + 1e-9
        pace.done(now, took_s)
        spent += took_s

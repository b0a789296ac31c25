"""How often what grows with a sweep is done."""

from hypothesis import given
from hypothesis import strategies as st

from caviar.scheduler.execution.throttle import Throttle


def test_what_takes_no_time_is_due_after_the_interval() -> None:
    throttle = Throttle(10.0, 0.02)
    assert throttle.due(0.0)
    throttle.done(0.0, 0.0)
    assert not throttle.due(9.9)
    assert throttle.due(10.0)


@given(st.lists(st.floats(0.0, 100.0), min_size=2, max_size=50))
def test_what_takes_long_never_takes_more_than_its_share_of_the_time(takes: list[float]) -> None:
    throttle, now, spent = Throttle(0.5, 0.05), 0.0, 0.0
    for took_s in takes:
        while not throttle.due(now):
            now += 0.25
        assert spent <= 0.05 * now + 1e-9
        throttle.done(now, took_s)
        spent += took_s

"""Requests to stop: a signal or a file, once to stop in order and a second signal to stop at once."""

import os
import signal
from pathlib import Path
from threading import Thread

import pytest

from caviar.scheduler.execution.interrupts import Interrupts


def test_nothing_is_requested_at_first(tmp_path: Path) -> None:
    assert not Interrupts().requested()
    assert not Interrupts(tmp_path / "stop").requested()


def test_a_file_that_appears_is_a_request_that_ends_no_program(tmp_path: Path) -> None:
    interrupts = Interrupts(tmp_path / "stop")
    (tmp_path / "stop").touch()
    assert interrupts.requested()
    interrupts.reraise()


@pytest.mark.parametrize(
    ("number", "error", "status"), [(signal.SIGINT, KeyboardInterrupt, None), (signal.SIGTERM, SystemExit, 143)]
)
def test_the_first_signal_is_a_request_and_is_raised_when_everything_is_written(
    number: signal.Signals, error: type[BaseException], status: int | None
) -> None:
    interrupts = Interrupts()
    with interrupts.listening():
        os.kill(os.getpid(), number)
        assert interrupts.requested()
        assert interrupts.signal == number
    with pytest.raises(error) as raised:
        interrupts.reraise()
    assert getattr(raised.value, "code", None) == status


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_interrupts_at_once(first: signal.Signals) -> None:
    with Interrupts().listening():
        os.kill(os.getpid(), first)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_the_handlers_of_before_are_back_afterwards_even_after_an_error() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(ZeroDivisionError), Interrupts().listening():
        raise ZeroDivisionError
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_in_another_thread_signals_are_left_alone() -> None:
    before, seen = signal.getsignal(signal.SIGINT), []

    def listen() -> None:
        with Interrupts().listening() as interrupts:
            seen.append((signal.getsignal(signal.SIGINT), interrupts.requested()))

    thread = Thread(target=listen)
    thread.start()
    thread.join()
    assert seen == [(before, False)]

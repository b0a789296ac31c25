# ruff: noqa: T201
"""Training code that the tests of the executors run: each function is one way in which a trial can go."""

import logging
import os
import random
import re
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import ray

from caviar.trainers import Trial

Metrics = dict[str, Any]


def walk(trial: Trial) -> Iterator[Metrics]:
    """A random walk that depends on everything that a checkpoint and a seed have to bring back."""
    state, generator = {"position": float(str(trial.config.get("x", 0.5)))}, np.random.default_rng(trial.seed)
    trial.track(state=state, generator=generator)
    for _ in trial.steps():
        state["position"] += generator.normal() + random.random() + float(np.random.random())
        yield {"loss": state["position"]}


def climbs(trial: Trial) -> Iterator[Metrics]:
    """Adds its configuration's number in each step; the first time that trial 1 begins it may kill its process."""
    state = {"position": 0.0}
    trial.track(state=state)
    for _ in trial.steps():
        marker = Path(str(trial.config.get("marker", "/")))
        if trial.number == 1 and not marker.exists():
            marker.touch()
            os.kill(os.getpid(), 9)
        state["position"] += float(str(trial.config["x"]))
        yield {"loss": state["position"]}


def walk_or_fail_late(trial: Trial) -> Iterator[Metrics]:
    """The same, but raises in its fourth step if its configuration says so."""
    for report in walk(trial):
        if trial.current == 4 and trial.config["fails"]:
            raise RuntimeError("it fails late")
        yield report


class _Unsaved:
    """State that cannot be saved."""

    def state_dict(self) -> dict[str, Any]:
        raise OSError("no room for the state")

    def load_state_dict(self, state: dict[str, Any]) -> None:
        pass


def troubled_at_its_end(trial: Trial) -> Iterator[Metrics]:
    """Trains without trouble, but cannot be saved, or reports no loss."""
    trouble = trial.config["trouble"]
    if trouble == "save":
        trial.track(state=_Unsaved())
    for step in trial.steps():
        yield {"accuracy" if trouble == "value" else "loss": 1 / step}


def fated(trial: Trial) -> Iterator[Metrics]:
    """Goes as its configuration says."""
    fate = trial.config["fate"]
    for step in trial.steps():
        if fate == "ends" and step == 3:
            return
        if fate == "fails" and step == 1:
            raise ValueError("the learning rate is too large")
        if fate == "endless":
            time.sleep(0.001)
        yield {"loss": float("nan") if fate == "diverges" and step == 2 else 1 / step}


def forgetful(trial: Trial) -> Iterator[Metrics]:
    """Tracks nothing."""
    for step in trial.steps():
        yield {"loss": 1 / step}


def ends_after_two(trial: Trial) -> Iterator[Metrics]:
    """Stops by itself after two steps, however many it may take."""
    state = {"steps": 0}
    trial.track(state=state)
    for step in trial.steps():
        if state["steps"] == 2:
            return
        state["steps"] += 1
        yield {"loss": 1 / step}


def fails_in_step_two_once(trial: Trial) -> Iterator[Metrics]:
    """Fails in its second step, the first time."""
    marker = Path(str(trial.config["marker"]))
    for step in trial.steps():
        if step == 2 and not marker.exists():
            marker.touch()
            raise RuntimeError("out of memory, this once")
        yield {"loss": 1 / step}


def exits(trial: Trial) -> Iterator[Metrics]:
    """Ends the program, as some scripts do when they are not content."""
    sys.exit("no such data set")
    yield {}


def reports_something_else(trial: Trial) -> Iterator[Metrics]:
    """Forgets the sweep's metric."""
    for _ in trial.steps():
        yield {"accuracy": 0.5, "time": 1.0}


def talkative(trial: Trial) -> Iterator[Metrics]:
    """Prints, warns and logs by a handler that the first trial of a process makes."""
    logging.basicConfig(format="%(message)s")
    for step in trial.steps():
        print(f"trial {trial.number} prints")
        print(f"trial {trial.number} warns", file=sys.stderr)
        logging.getLogger("training").warning("trial %d logs", trial.number)
        yield {"loss": 1 / step}


def notes_its_end(trial: Trial) -> Iterator[Metrics]:
    """Leaves a file when it is closed, and fails to tidy up."""
    try:
        for step in trial.steps():
            yield {"loss": 1 / step}
    finally:
        Path(str(trial.config["folder"]), str(trial.number)).touch()
        raise RuntimeError("could not tidy up")


def names_its_process(trial: Trial) -> Iterator[Metrics]:
    """Reports the process that trains it."""
    state = {"steps": 0}
    trial.track(state=state)
    for step in trial.steps():
        state["steps"] = step
        yield {"loss": 1 / step, "process": os.getpid()}


def waits_once_to_lose_its_node(trial: Trial) -> Iterator[Metrics]:
    """The first one that comes to its second step says on which node it is and waits there for its end."""
    position = {"x": float(str(trial.config["x"]))}
    trial.track(position=position)
    for step in trial.steps():
        if step == 2:
            with suppress(FileExistsError), Path(str(trial.config["marker"])).open("x") as marker:
                marker.write(ray.get_runtime_context().get_node_id())
                marker.flush()
                Event().wait()
        position["x"] *= 0.9
        yield {"loss": position["x"]}


def waits_in_both_processes(trial: Trial) -> Iterator[Metrics]:
    """Rank 1 says on which node it is, in the second step, in which all wait for each other."""
    for step in trial.steps():
        if step == 2:
            if os.environ["RANK"] == "1":
                Path(str(trial.config["marker"])).write_text(ray.get_runtime_context().get_node_id())
            Event().wait()
        yield {"loss": float(os.environ["LOCAL_WORLD_SIZE"])}


def fated_in_processes(trial: Trial) -> Iterator[Metrics]:
    """Goes wrong in its second step, in the rank that its configuration names, while the other waits for it."""
    fate, here = trial.config["fate"], int(os.environ["RANK"]) == trial.config["rank"]
    print("process", os.getpid(), flush=True)
    for step in trial.steps():
        if step == 2 and here and fate == "ends":
            return
        if step == 2 and fate == "raises":
            if here:
                raise ValueError("no such data")
            Event().wait()
        if step == 2 and fate == "is killed":
            _meet_in_all_reduce(here)
        yield {"loss": 1.0}


def _meet_in_all_reduce(late: bool) -> None:
    """One rank is in the collective operation, and the other, on its way there, waits to be killed."""
    import torch  # noqa: PLC0415 the other functions here train without it

    from caviar.trainers.pytorch import join_processes  # noqa: PLC0415

    join_processes()
    if late:
        print("waiting to be killed", flush=True)
        Event().wait()
    torch.distributed.all_reduce(torch.ones(1))


def says_where(trial: Trial) -> Iterator[Metrics]:
    """Which node trains it, as a number, and whether it has a share of a GPU."""
    context = ray.get_runtime_context()
    node, gpus = int(context.get_node_id()[:8], 16), len(context.get_accelerator_ids().get("GPU", []))
    for step in trial.steps():
        yield {"loss": float(str(trial.config["x"])) / step, "node": node, "gpus": gpus}


def lingers_on_its_first_node(trial: Trial) -> Iterator[Metrics]:
    """Says on which node the first trial is; steps there wait until that node is going away, and take a second then."""
    folder, here = Path(str(trial.config["folder"])), ray.get_runtime_context().get_node_id()
    position = {"x": float(str(trial.config["x"]))}
    trial.track(position=position)
    with suppress(FileExistsError), (folder / "first").open("x") as first:
        first.write(here)
    lingers = (folder / "first").read_text() == here
    for _ in trial.steps():
        while lingers and not (folder / "going").exists():
            time.sleep(0.02)
        time.sleep(1.0 if lingers else 0.0)
        position["x"] *= 0.9
        yield {"loss": position["x"]}


def kills_its_process_once(trial: Trial) -> Iterator[Metrics]:
    """Dies in its second step, the first time, if it is trial 0."""
    marker = Path(str(trial.config["marker"]))
    for step in trial.steps():
        if trial.number == 0 and step == 2 and not marker.exists():
            marker.touch()
            os.kill(os.getpid(), 9)
        yield {"loss": 1 / step}


_OPEN: set[int] = set()
"""Trials that `hungry` has open in this process."""


def hungry(trial: Trial) -> Iterator[Metrics]:
    """Needs more memory than there is, some of it only while another trial is open."""
    _OPEN.add(trial.number)
    try:
        for step in trial.steps():
            if step == 2 and (trial.config["needs"] == "too much" or (len(_OPEN) > 1)):
                np.empty(1 << 50)
            yield {"loss": 1 / step}
    finally:
        _OPEN.discard(trial.number)


def complains(trial: Trial) -> Iterator[Metrics]:
    """Prints what is wrong and fails."""
    for _ in trial.steps():
        print("this was only printed 1 time")
        raise ValueError("the learning rate is too large")
    yield {}


def prints_and_fails(trial: Trial) -> Iterator[Metrics]:
    """Prints as many lines as its configuration says between the first and the last."""
    for _ in trial.steps():
        print("printed first")
        for line in range(int(str(trial.config["lines"]))):
            print(f"line {line:06} of many")
        print("printed last")
        raise ValueError("no more to say")
    yield {}


def wait_long(fate: str) -> None:
    """Takes longer than any test waits, printing or not, or without letting another thread run."""
    while True:
        if fate == "blocks":
            re.match(r"(a+)+$", "a" * 60 + "b")
        if fate == "chats":
            print("still here")
        time.sleep(0.05)


class Endless:
    """Its third step takes too long if its configuration says so."""

    def __init__(self, trial: Trial) -> None:
        self._trial = trial

    def step(self) -> Metrics:
        """Trains one step."""
        step = self._trial.step + 1
        if self._trial.config["fate"] != "good" and step == 3:
            wait_long(str(self._trial.config["fate"]))
        return {"loss": 1 / step}

    def state_dict(self) -> dict[str, Any]:
        """Nothing."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing."""

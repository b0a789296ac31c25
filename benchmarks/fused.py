"""How fast fused trials are on scikit-learn's digits: one process, one core or one GPU, without Ray.

    .venv/bin/python benchmarks/fused.py        or, where there is a GPU,       … --device cuda

A step is an epoch of 1,078 images in batches of 64 with an evaluation on 359 others. Three things are timed: a trial
alone, a group of trials that Caviar has fused, and a loop over the same lanes that is written by hand for the one
architecture (by_hand.py). Every variant trains one epoch in turn, over and over, and the fastest of each counts: the
machine's other work slows some epochs, and none is faster than the machine.
"""

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from by_hand import ByHand, CNNByHand, MLPByHand, Settings
from environment import environment, sentence

from caviar.trainers import Training, fuse_trainings, load_trainer, open_training
from caviar.trainers.pytorch.lanes.data import digits_data
from caviar.trainers.pytorch.lanes.lane_training import LaneTraining

TRAINER = load_trainer("caviar.trainers.pytorch.digits:train")
LANES = {"cpu": (1, 3, 8, 32, 128, 512), "cuda": (1, 8, 64, 512, 1024, 2048, 4096)}
PRECISION_LANES = {"cpu": 32, "cuda": 1024}
MOMENTUM = 0.9
Config = Mapping[str, str | int | float | bool]
Report = dict[str, float] | None


@dataclass(frozen=True, slots=True)
class Network:
    """What is trained.

    Attributes:
        name: A word or two.
        title: What it is.
        config: Hyperparameters beside the learning rate and the device.
        by_hand: The loop that is written for it; None if there is none.
    """

    name: str
    title: str
    config: Config
    by_hand: type[ByHand] | None = None


MLP = Network("MLP", "MLP 64-64-64-10, momentum", {"hidden": 64, "momentum": MOMENTUM}, MLPByHand)
RICHER = Network(
    "richer MLP",
    "The same with batch norm, dropout 0.2 and Adam",
    {**MLP.config, "batch_norm": True, "dropout": 0.2, "optimizer": "adam"},
)
CNN = Network(
    "CNN",
    "CNN of two convolutions with 8 channels and a hidden layer of 64, momentum",
    {**MLP.config, "model": "cnn", "channels": 8},
    CNNByHand,
)
NETWORKS = {"cpu": (MLP, RICHER, CNN), "cuda": (MLP, CNN)}
PRECISIONS = ("float32", "tf32", "bfloat16")


@dataclass(frozen=True, slots=True)
class Timing:
    """How variants are timed.

    Attributes:
        device: "cpu" or "cuda".
        rounds: How often each variant has its turn.
        turn: Seconds of a turn at least; it ends with the epoch.
    """

    device: str
    rounds: int
    turn: float

    def fastest(self, variants: Sequence[Callable[[], object]]) -> list[float]:
        """Seconds of each variant's fastest epoch; the first epoch of each does not count."""
        best = [float("inf")] * len(variants)
        for variant in variants:
            variant()
        for _ in range(self.rounds):
            for place, variant in enumerate(variants):
                ends = time.perf_counter() + self.turn
                while True:
                    best[place] = min(best[place], self._seconds(variant))
                    if time.perf_counter() > ends:
                        break
        return best

    def _seconds(self, variant: Callable[[], object]) -> float:
        self._wait()
        began = time.perf_counter()
        variant()
        self._wait()
        return time.perf_counter() - began

    def _wait(self) -> None:
        if self.device == "cuda":
            torch.cuda.synchronize()


def open_trials(config: Config, lanes: int, device: str) -> list[Training]:
    """New trials with learning rates from 0.001 to 0.01."""
    rates = [10 ** ((lane + 0.5) / lanes - 3) for lane in range(lanes)]
    return [
        open_training(
            TRAINER,
            number=lane,
            config={**config, "lr": rate, "device": device},
            seed=lane,
            resource_max=27,
        )
        for lane, rate in enumerate(rates)
    ]


def write_out(by_hand: type[ByHand], trials: Sequence[Training], device: str) -> ByHand:
    """A loop by hand over the same lanes as the trials, from their weights."""
    opened = [trial for trial in trials if isinstance(trial, LaneTraining)]
    lr = torch.tensor([trial.recipe.lr for trial in opened], device=device)
    settings = Settings(lr, torch.full_like(lr, MOMENTUM), [trial.trial.seed for trial in opened])
    return by_hand([trial.model for trial in opened], settings, digits_data().to(torch.device(device)))


def check_equal(network: Network, by_hand: type[ByHand], device: str) -> None:
    """Asserts that three trials report the same numbers, to 0.001, alone, fused and trained by hand."""
    alone, trials = (open_trials(network.config, 3, device) for _ in range(2))
    written, fused = write_out(by_hand, trials, device), fuse_trainings(trials)
    for _ in range(3):
        # Convolutions of cuDNN round to 10 bits where they are not told otherwise.
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            expected = [trial.step() for trial in alone]
            found: dict[str, Sequence[Report]] = {"fused": fused.step(), "by hand": written.step()}
        for how, reports in found.items():
            for one, other in zip(expected, reports, strict=True):
                assert _close(one, other), f"{network.name}, {how}: {other} instead of {one}"


def _close(one: Report, other: Report) -> bool:
    return one is not None and other is not None and all(abs(one[name] - other[name]) < 1e-3 for name in one)


@dataclass(frozen=True, slots=True)
class Figures:
    """Seconds of an epoch of one network.

    Attributes:
        alone: Of one trial alone.
        fused: Of fused trials, by how many they are.
        by_hand: Of the loop by hand; empty if there is none.
    """

    alone: float
    fused: Mapping[int, float]
    by_hand: Mapping[int, float]

    @property
    def peak(self) -> float:
        """The most trials times epochs a second."""
        return max(lanes / seconds for lanes, seconds in self.fused.items())

    def rows(self) -> list[str]:
        """The rows of the table."""
        rows = [f"| alone | {1e3 * self.alone:.3f} | {1 / self.alone:,.0f} | 1.0 | | |"]
        for lanes, seconds in self.fused.items():
            written = self.by_hand.get(lanes)
            share = "|" if written is None else f"{1e3 * written / lanes:.3f} | {written / seconds:.0%}"
            each, rate, gain = 1e3 * seconds / lanes, lanes / seconds, self.alone * lanes / seconds
            rows.append(f"| {lanes:,} | {each:.3f} | {rate:,.0f} | {gain:.1f} | {share} |")
        return rows


def measure(network: Network, lanes: Sequence[int], timing: Timing) -> Figures:
    """Times one network alone, fused and by hand."""
    variants: dict[tuple[str, int], Callable[[], object]] = {}
    variants["alone", 1] = open_trials(network.config, 1, timing.device)[0].step
    for count in lanes:
        trials = open_trials(network.config, count, timing.device)
        if network.by_hand is not None:
            variants["by hand", count] = write_out(network.by_hand, trials, timing.device).step
        variants["fused", count] = fuse_trainings(trials).step
    seconds = dict(zip(variants, timing.fastest(list(variants.values())), strict=True))
    fused, written = ({n: s for (how, n), s in seconds.items() if how == kind} for kind in ("fused", "by hand"))
    return Figures(seconds["alone", 1], fused, written)


def table(network: Network, figures: Figures) -> list[str]:
    """The figures of one network in Markdown."""
    return [
        f"## {network.title}",
        "",
        "| lanes | ms a trial and epoch | trials x epochs a second | x alone | by hand, ms | by hand / fused |",
        "|---:|---:|---:|---:|---:|---:|",
        *figures.rows(),
        "",
    ]


def options_table(networks: Sequence[Network], lanes: int, timing: Timing) -> list[str]:
    """The precisions, each network fused, in Markdown."""
    lines = [f"## Precisions, {lanes:,} lanes", ""]
    lines += ["| network | precision | ms a trial and epoch | x float32 |", "|---|---|---:|---:|"]
    for network in networks:
        configs = [{**network.config, "precision": precision} for precision in PRECISIONS]
        variants = [fuse_trainings(open_trials(config, lanes, timing.device)).step for config in configs]
        first, *_ = fastest = timing.fastest(variants)
        lines += [
            f"| {network.name} | {precision} | {1e3 * seconds / lanes:.3f} | {first / seconds:.2f} |"
            for precision, seconds in zip(PRECISIONS, fastest, strict=True)
        ]
    return lines


def describe(device: str) -> str:
    """Where it ran."""
    where = environment("caviar", "torch")
    gpu = f" GPU: {torch.cuda.get_device_name()}." if device == "cuda" else " One thread."
    return f"{sentence(where)}{gpu} Made by `python benchmarks/fused.py --device {device}`."


def main() -> None:
    """Measures, prints the tables, and writes them beside this file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=list(LANES), default="cpu")
    parser.add_argument("--lanes", type=int, nargs="+", help="how many trials are fused, instead of the usual numbers")
    parser.add_argument("--rounds", type=int, default=7, help="how often each variant has its turn")
    parser.add_argument("--quick", action="store_true", help="a short run on few lanes that writes nothing")
    parser.add_argument("--output", type=Path, help="the file to write")
    arguments = parser.parse_args()
    device: str = arguments.device
    torch.set_num_threads(1)
    timing = Timing(device, 2, 0.05) if arguments.quick else Timing(device, arguments.rounds, 0.3)
    lanes = arguments.lanes or (LANES[device][:4] if arguments.quick else LANES[device])
    blocks = [["# Fused trials", "", describe(device), ""]]
    for network in NETWORKS[device]:
        if network.by_hand is not None:
            check_equal(network, network.by_hand, device)
        figures = measure(network, lanes, timing)
        blocks.append(table(network, figures))
        print("\n".join(blocks[-1]), f"At most {figures.peak:,.0f} trials x epochs a second.\n", sep="\n", flush=True)
    blocks.append(options_table(NETWORKS[device], PRECISION_LANES[device], timing))
    print("\n".join(blocks[-1]))
    if not arguments.quick:
        name = "fused.md" if device == "cpu" else f"fused-{device}.md"
        output = arguments.output or Path(__file__).parent / "results" / name
        output.write_text("\n".join(line for block in blocks for line in block) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

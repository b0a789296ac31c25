"""What a bracket's proposals cost, by the number of results and of hyperparameters: Caviar's model, and Optuna's.

    .venv/bin/pip install -c constraints.txt -e '.[bench]'
    .venv/bin/python benchmarks/proposals.py

A proposal is 22 points, those of a bracket of 27 whose other five stay global. Results are those of a noisy bowl at
four rungs. Everything runs in one thread. Optuna's Gaussian process, which learns from full trainings alone, proposes
one point after the other from as many of them.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import optuna
from environment import environment, sentence
from threadpoolctl import threadpool_limits

from caviar.scheduler.core.proposers.model import ModelProposer
from caviar.scheduler.core.proposers.observations import Observations
from caviar.scheduler.core.proposers.proposal import Request
from caviar.search_spaces import SearchSpace, Uniform
from caviar.search_spaces.designs import sobol

POINTS = 22
RESULTS = (100, 1_000, 10_000)
DIMENSIONS = (4, 8, 16)
LEVELS = (1, 3, 9, 27)
PACKAGES = ("caviar", "numpy", "scikit-learn", "optuna")
OPTUNA_RESULTS = (100, 1_000)


def observations(results: int, dimensions: int) -> Observations:
    """Results of a bowl, the noisier the lower the rung."""
    random = np.random.default_rng(0)
    points, resource = sobol(results, dimensions, 0), np.resize(LEVELS, results)
    loss = ((points - 0.3) ** 2).sum(axis=1) + random.normal(0, 0.1 / np.sqrt(resource))
    return Observations(points, resource, loss)


def caviar_seconds(results: int, dimensions: int) -> float:
    """Seconds of one proposal of `POINTS` points."""
    space = SearchSpace({f"x{column}": Uniform(0.0, 1.0) for column in range(dimensions)})
    request = Request(1, POINTS, observations(results, dimensions), np.empty((0, dimensions)))
    began = time.perf_counter()
    ModelProposer(space, LEVELS[-1], 0).propose(request)
    return time.perf_counter() - began


def optuna_seconds(results: int, dimensions: int) -> float:
    """Seconds of as many points by Optuna's Gaussian process, asked for one after the other: one is timed."""
    names = [f"x{column}" for column in range(dimensions)]
    found = observations(results, dimensions)
    distributions: dict[str, optuna.distributions.BaseDistribution] = {
        name: optuna.distributions.FloatDistribution(0.0, 1.0) for name in names
    }
    study = optuna.create_study(sampler=optuna.samplers.GPSampler(seed=0, deterministic_objective=False))
    for point, loss in zip(found.points.tolist(), found.loss.tolist(), strict=True):
        parameters = dict(zip(names, point, strict=True))
        study.add_trial(optuna.trial.create_trial(params=parameters, distributions=distributions, value=loss))
    began = time.perf_counter()
    study.ask(distributions)
    return POINTS * (time.perf_counter() - began)


def main() -> None:
    """Measures, prints the table, and writes it beside this file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "proposals.md")
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    lines = [
        "# What proposals cost",
        "",
        f"Seconds of {POINTS} points, one thread; the best of three.",
        f"{sentence(environment(*PACKAGES))} Made by `python benchmarks/proposals.py`.",
        "",
        "| results | hyperparameters | Caviar | Optuna, GP |",
        "|---:|---:|---:|---:|",
    ]
    with threadpool_limits(1):
        for seconds in (caviar_seconds, optuna_seconds):  # SciPy, scikit-learn and torch take seconds to import
            seconds(20, 4)
        for results in RESULTS:
            for dimensions in DIMENSIONS:
                ours = min(caviar_seconds(results, dimensions) for _ in range(3))
                theirs = f"{optuna_seconds(results, dimensions):.1f}" if results in OPTUNA_RESULTS else ""
                lines.append(f"| {results:,} | {dimensions} | {ours:.2f} | {theirs} |")
    table = "\n".join(lines) + "\n"
    print(table)
    arguments.output.write_text(table, encoding="utf-8")


if __name__ == "__main__":
    main()

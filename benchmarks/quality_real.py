"""Tasks of real training, in this process and one step after the other: two small data sets of scikit-learn.

Trials stay open in memory, so that one that is promoted goes on from where it paused.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from quality_tasks import Config, Curve, Opener
from sklearn.datasets import load_breast_cancer

from caviar.search_spaces import Choice, Constant, Domain, Integer, InverseLog, Log, SearchSpace, Uniform
from caviar.trainers import Trainer, Training, load_trainer, open_training

EPOCHS = 27
DIGITS: Mapping[str, Domain] = {
    "lr": Log(1e-4, 1.0),
    "momentum": InverseLog(0.9, 0.999),
    "decay": Uniform(0.0, 0.2),
    "hidden": Integer(32, 128, log=True),
    "layers": Choice([1, 2]),
    "dropout": Uniform(0.0, 0.5),
    "weight_decay": Log(1e-6, 1e-2),
    "batch_norm": Constant(True),
}
"""The space of examples/digits.yaml."""
BREAST_CANCER: Mapping[str, Domain] = {
    "lr": Log(1e-4, 1.0),
    "momentum": InverseLog(0.9, 0.999),
    "decay": Uniform(0.0, 0.2),
    "hidden": Integer(8, 64, log=True),
    "layers": Choice([1, 2]),
    "dropout": Uniform(0.0, 0.5),
    "weight_decay": Log(1e-6, 1e-2),
    "batch_size": Integer(16, 128, log=True),
}


class RealTask:
    """A data set and the classifier that learns it; the loss is cross-entropy on the dev part.

    Args:
        name: The task's name.
        trainer: "module:name" of the training code.
        space: Its search space.
        data: The file with the data; None if the training code has its own.
    """

    steps = EPOCHS
    reference = None
    candidates = None

    def __init__(self, name: str, trainer: str, space: SearchSpace, data: Path | None = None) -> None:
        self.name, self.space = name, space
        self._trainer, self._data = load_trainer(trainer), data

    def opener(self, seed: int) -> Opener:
        """Trials of one run: the nth has the same seed whatever the method."""
        return OpenTrials(self._trainer, self._data, seed).open


class OpenTrials:
    """The trials of one run.

    Args:
        trainer: The training code.
        data: Its data.
        seed: The run's seed.
    """

    def __init__(self, trainer: Trainer, data: Path | None, seed: int) -> None:
        self._trainer, self._data, self._seed, self._opened = trainer, data, seed, 0

    def open(self, config: Config) -> Curve:
        """Begins a trial; nothing is trained before the first step is asked for."""
        seed = int(np.random.SeedSequence([self._seed, self._opened]).generate_state(1, np.uint32)[0])
        training = open_training(
            self._trainer, number=self._opened, config=config, seed=seed, resource_max=EPOCHS, data=self._data
        )
        self._opened += 1
        training.begin(EPOCHS)
        return RealCurve(training)


class RealCurve:
    """The losses of one training, made when they are asked for."""

    def __init__(self, training: Training) -> None:
        self._training, self._losses = training, list[float]()

    def __call__(self, step: int) -> float:
        """The loss after a step; a diverged training is not continued."""
        while len(self._losses) < step:
            diverged = bool(self._losses) and not np.isfinite(self._losses[-1])
            metrics = None if diverged else self._training.step()
            loss = np.inf if metrics is None else metrics["val_loss"]
            self._losses.append(loss if np.isfinite(loss) else np.inf)
        return self._losses[step - 1]


def real_tasks(folder: Path) -> list[RealTask]:
    """Both tasks; the second one's data is written into a folder."""
    file = folder / "breast-cancer.npz"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        x, y = load_breast_cancer(return_X_y=True)
        np.savez(file, x=x, y=y)
    classifier = "caviar.trainers.pytorch:classifier"
    return [
        RealTask("digits", "caviar.trainers.pytorch.digits:train", SearchSpace(DIGITS)),
        RealTask("breast cancer", classifier, SearchSpace(BREAST_CANCER), file),
    ]

"""Tasks of which every configuration can be evaluated: YAHPO Gym's surrogate of LCBench.

Pfisterer et al., AutoML 2022, of Zimmer et al., TPAMI 2021; both Apache-2.0. The surrogate knows more tasks than these
three, which are kept for a final judgement and are not touched here.
"""

from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime
import orjson
from quality_tasks import Config, Curve, Opener, Reference, read_meta, space_of

EPOCHS = 52
TASKS = ("Fashion-MNIST", "segment", "nomao")
_INPUTS = ("batch_size", "learning_rate", "momentum", "weight_decay", "num_layers", "max_units", "max_dropout")
_ACCURACY = 1
"""The column of the validation accuracy among the surrogate's outputs."""


class YahpoTask:
    """One data set of the surrogate.

    Args:
        folder: Holds the model, `encoding.json` and `meta.json`.
        name: One of `TASKS`.
    """

    steps = EPOCHS
    candidates = None

    def __init__(self, folder: Path, name: str) -> None:
        assert name in TASKS, name
        meta = read_meta(folder)
        facts = meta["tasks"][name]
        known = facts["continuous_space_num_layers_le4"]
        self.name, self.space = name, space_of(meta)
        self.reference = Reference(-known["best_of_200k_random"], -known["median"])
        self._folder, self._openml = folder, facts["openml_task_id"]

    def opener(self, seed: int) -> Opener:
        """The surrogate is deterministic: the seed changes nothing."""
        return self._open

    def _open(self, config: Config) -> Curve:
        losses = -accuracies(self._folder, self._openml, config)
        return lambda step: float(losses[step - 1])


def accuracies(folder: Path, openml: int, config: Config) -> npt.NDArray[np.float64]:
    """Validation accuracy in percent after each epoch."""
    session, encoding = _model(folder)
    inputs = np.empty((EPOCHS, 1 + len(_INPUTS)), np.float32)
    inputs[:, 0] = np.arange(1, EPOCHS + 1)
    inputs[:, 1:] = np.array([config[name] for name in _INPUTS], np.float64)
    task = np.full((EPOCHS, 1), encoding[str(openml)], np.int32)
    (outputs,) = session.run(None, {"x_cat": task, "x_cont": inputs})
    return np.asarray(outputs, np.float64)[:, _ACCURACY]


@cache
def _model(folder: Path) -> tuple[onnxruntime.InferenceSession, dict[str, int]]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    encoding = orjson.loads((folder / "encoding.json").read_bytes())["OpenML_task_id"]
    return onnxruntime.InferenceSession(str(folder / "lcbench_model.onnx"), options), encoding


def yahpo_tasks(data: Path) -> list[YahpoTask]:
    """The three tasks."""
    return [YahpoTask(data / "yahpo_lcbench", name) for name in TASKS]

"""Early stopping: the end of a training that improves no more, and the weights of its best epoch."""

import copy
import math
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from torch import nn

from ...errors import TrainerError


class EarlyStopping:
    """Watches a metric and keeps the best weights, for a training loop that is written by hand.

    Training stops when the metric has not improved for `patience` epochs (Prechelt 1998, "Early stopping - but when?";
    counted from the best value so far). `trial.track` can save it, best weights included::

        stopping = EarlyStopping(patience=5)
        trial.track(model=model, optimizer=optimizer, stopping=stopping)
        for epoch in trial.steps():
            if stopping.stopped:
                return
            ...
            stopping.update(val_loss, epoch, model)
            yield {"val_loss": val_loss}

    `restore` then puts the best weights into a model, after the loop or in code that evaluates the trained model.
    """

    def __init__(self, patience: float, mode: str = "min", min_delta: float = 0.0) -> None:
        """Nothing seen yet.

        Args:
            patience: Epochs without an improvement after which to stop, above 0.
            mode: "min" where small values are good, as of a loss; "max" where large ones are.
            min_delta: By how much a value has to be better than the best one to count as an improvement; at least 0.

        Raises:
            TrainerError: One of them is out of range.
        """
        if not patience > 0:
            raise TrainerError(f"patience of early stopping is {patience!r}: it has to be a number of epochs above 0")
        if mode not in ("min", "max"):
            raise TrainerError(f"mode of early stopping is {mode!r}: it can be min or max")
        if not 0 <= min_delta < math.inf:
            raise TrainerError(f"min_delta of early stopping is {min_delta!r}: it has to be a number of at least 0")
        self._patience = patience
        self._sign = 1 if mode == "min" else -1
        self._min_delta = min_delta
        self._best_value: float | None = None
        self._best_weights: OrderedDict[str, Any] | None = None
        self._best_epoch: float | None = None
        self._waiting_since: float | None = None
        self._stopped = False

    @property
    def stopped(self) -> bool:
        """The last return of `update`; False before the first."""
        return self._stopped

    @property
    def best_value(self) -> float | None:
        """The best value; None before the first that is a finite number."""
        return self._best_value

    @property
    def best_epoch(self) -> float | None:
        """The epoch of the best value."""
        return self._best_epoch

    def update(self, value: float, epoch: float, model: nn.Module) -> bool:
        """Takes an epoch's value and copies the weights if it is the best.

        Args:
            value: The metric on the dev part. NaN and infinite values are no improvement.
            epoch: Larger than in the call before.
            model: Its `state_dict` is copied on its device, batch-norm averages included.

        Returns:
            True to stop: `patience` epochs have passed since the last improvement, or since the first call.
        """
        if self._waiting_since is None:
            self._waiting_since = epoch
        if self._improves(value):
            self._best_value, self._best_epoch, self._waiting_since = float(value), epoch, epoch
            self._best_weights = copy.deepcopy(_module_state(model.state_dict()))
        self._stopped = epoch - self._waiting_since >= self._patience
        return self._stopped

    def restore(self, model: nn.Module) -> None:
        """Puts the best weights back.

        Raises:
            TrainerError: No value was a finite number, so there are none.
        """
        if self._best_weights is None:
            raise TrainerError("early stopping has no best weights to restore: it has seen no finite value")
        model.load_state_dict(self._best_weights)

    def state_dict(self) -> dict[str, Any]:
        """The best value, its epoch and its weights; not the settings."""
        return {
            "best_value": self._best_value,
            "best_epoch": self._best_epoch,
            "waiting_since": self._waiting_since,
            "stopped": self._stopped,
            "best_weights": self._best_weights,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues from what `state_dict` returned."""
        weights = state["best_weights"]
        self._best_value, self._best_epoch = state["best_value"], state["best_epoch"]
        self._waiting_since, self._stopped = state["waiting_since"], state["stopped"]
        self._best_weights = None if weights is None else _module_state(weights)

    def _improves(self, value: float) -> bool:
        if not math.isfinite(value):
            return False
        return self._best_value is None or self._sign * (self._best_value - value) > self._min_delta


def _module_state(weights: Mapping[str, Any]) -> OrderedDict[str, Any]:
    """Weights in the form of `nn.Module.state_dict`: with the version numbers of the modules, if they have any."""
    state = OrderedDict(weights)
    if hasattr(weights, "_metadata"):
        vars(state)["_metadata"] = weights._metadata
    return state

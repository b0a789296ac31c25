"""The hyperparameters of the digits trainer: their names, ranges and defaults."""

import difflib
from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ...search_spaces import Value
from ..errors import TrainerError


class Hyperparameters(BaseModel):
    """What a configuration may set. A name that it lacks has the default.

    Attributes:
        model: A multilayer perceptron or a small convolutional network.
        hidden: Units of each hidden layer; of the last one in a CNN.
        layers: Hidden layers of the MLP; convolutional layers of the CNN.
        channels: Filters of each convolutional layer.
        activation: Between layers.
        init: Normal initial weights, scaled as in He et al. (2015) or Glorot and Bengio (2010).
        dropout: Share of hidden units that is dropped in training.
        batch_norm: Whether hidden layers are normalised over the batch.
        optimizer: The update rule; `momentum` and `nesterov` are SGD with a velocity.
        lr: Learning rate of the first epoch.
        momentum: Share of the velocity that is kept; beta1 of Adam and AdamW. Not used by sgd, rmsprop and adagrad.
        beta2: Share of the mean square that is kept, in RMSprop, Adam and AdamW.
        weight_decay: L2 penalty; decoupled from the gradient in AdamW.
        decay: Epoch e, from 0, has the learning rate lr / (1 + decay * e).
        batch_size: Examples in a step of the optimizer.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    model: Literal["mlp", "cnn"] = "mlp"
    hidden: int = Field(64, ge=1)
    layers: int = Field(2, ge=1, le=8)
    channels: int = Field(16, ge=1)
    activation: Literal["relu", "leaky_relu", "tanh", "sigmoid"] = "relu"
    init: Literal["he", "xavier"] = "he"
    dropout: float = Field(0.0, ge=0, lt=1)
    batch_norm: bool = False
    optimizer: Literal["sgd", "momentum", "nesterov", "rmsprop", "adagrad", "adam", "adamw"] = "momentum"
    lr: float = Field(0.01, gt=0)
    momentum: float = Field(0.9, ge=0, lt=1)
    beta2: float = Field(0.999, ge=0, lt=1)
    weight_decay: float = Field(0.0, ge=0)
    decay: float = Field(0.0, ge=0)
    batch_size: int = Field(64, ge=2)

    @classmethod
    def from_config(cls, config: Mapping[str, Value]) -> "Hyperparameters":
        """Checks a configuration.

        Raises:
            TrainerError: It has an unknown name, or a value out of range.
        """
        for name in config:
            if name not in cls.model_fields:
                close = difflib.get_close_matches(name, cls.model_fields, n=1)
                hint = f"did you mean {close[0]!r}?" if close else f"it has {', '.join(cls.model_fields)}"
                raise TrainerError(f"the digits trainer has no hyperparameter {name!r}: {hint}")
        try:
            return cls.model_validate(dict(config))
        except ValidationError as error:
            first = error.errors()[0]
            rule = first["msg"].replace("Input should", "it should")
            raise TrainerError(f"{first['loc'][0]} is {first['input']!r}: {rule}") from None

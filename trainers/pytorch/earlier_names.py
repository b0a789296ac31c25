"""Modules of this package by the names that they had before it got folders."""

_FOLDERS = {
    "classification": ("architecture", "arrays", "columns", "datasets", "loading", "tables", "targets"),
    "lanes": ("data", "device", "fused", "group_size", "lane", "lane_training", "optimizers", "recipe"),
    "models": ("blocks", "cnn", "layers", "mlp", "resnet", "transformer"),
    "parts": (
        "activations",
        "augmentation",
        "averages",
        "dropout",
        "early_stopping",
        "gradient_check",
        "initialisation",
        "losses",
        "minibatches",
        "mixup",
        "noise",
        "schedules",
        "splits",
        "standardise",
    ),
}
EARLIER_NAMES = {name: f"{folder}.{name}" for folder, names in _FOLDERS.items() for name in names}
"""The place of each module by now, below this package."""

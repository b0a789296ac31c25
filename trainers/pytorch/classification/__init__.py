"""The ready classifier of tables and images."""

from .classifier import Classifier, evaluate_on_test

__all__ = ["Classifier", "evaluate_on_test"]

"""Optuna's samplers as proposers, and its importance of hyperparameters."""

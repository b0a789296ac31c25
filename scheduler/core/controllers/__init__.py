"""Decisions on how far each trial goes."""

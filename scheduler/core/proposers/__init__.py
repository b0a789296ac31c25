"""Decisions on where the next trials lie."""

"""Decisions on the worker that each assignment goes to."""

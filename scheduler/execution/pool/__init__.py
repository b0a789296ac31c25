"""The driver's side of the workers."""

"""The options and values that people give to commands."""

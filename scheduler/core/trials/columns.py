"""The names of the columns that every result set has, which no metric can have."""

CONFIG_PREFIX = "config_"
"""A hyperparameter's column is its name behind this."""
EXTRA = "extra"
"""The column of metrics that have none of their own."""
REPORT_COLUMNS = ("trial", "attempt", "bracket", "rung", "step", "time", "elapsed_s")
"""The columns of a report beside its configuration and its metrics."""
RESERVED = frozenset({*REPORT_COLUMNS, EXTRA})


def is_reserved(metric: str) -> bool:
    """True where a metric of this name cannot have a column of its own; upper and lower case count as the same."""
    name = metric.casefold()
    return name in RESERVED or name.startswith(CONFIG_PREFIX)

"""Looking at every node of the cluster before the first trial."""

from .finding import Finding, Preflight
from .preflight import check_nodes, preflight

__all__ = ["Finding", "Preflight", "check_nodes", "preflight"]

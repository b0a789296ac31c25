"""Examining a sweep's directory without running anything, and rebuilding what can be rebuilt from the other files."""

from ...finding import Severity
from .diagnosis import Diagnosis, Finding
from .examination import examine
from .repair import Repair, repair

__all__ = ["Diagnosis", "Finding", "Repair", "Severity", "examine", "repair"]

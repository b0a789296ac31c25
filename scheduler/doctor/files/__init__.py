"""Examining a sweep's directory without running anything, and rebuilding files from the others where possible."""

from ...finding import Severity
from .diagnosis import Diagnosis, Finding
from .examination import examine
from .repair import Repair, repair

__all__ = ["Diagnosis", "Finding", "Repair", "Severity", "examine", "repair"]

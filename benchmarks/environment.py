"""Where a benchmark ran and with what, so that its figures can be read later."""

import os
import platform
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path


def environment(*packages: str) -> dict[str, str]:
    """Date, processor, cores, Python and the versions of packages."""
    return {
        "date": datetime.now(timezone.utc).date().isoformat(),
        "cpu": _processor(),
        "cores": str(os.cpu_count()),
        "python": platform.python_version(),
        **{package: version(package) for package in packages},
    }


def sentence(where: dict[str, str]) -> str:
    """The environment in one line."""
    rest = ", ".join(f"{name} {value}" for name, value in where.items() if name not in {"date", "cpu", "cores"})
    return f"{where['date']}, {where['cpu']}, {where['cores']} cores; {rest}."


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()

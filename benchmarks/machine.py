"""What a figure was measured on: processor, memory, versions, commit."""

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROOT = Path(__file__).parents[1]
_COUNTED = ("torch", "envpool", "gymnasium", "stable-baselines3", "numpy")


def describe_machine() -> str:
    """Processors that this process may use, their name, the system's memory."""
    cores = len(os.sched_getaffinity(0))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{cores} x {_processor()}, {memory:.0f} GiB"


def describe_software() -> str:
    """Python, the packages that decide speed, and the commit."""
    packages = [f"{name} {found}" for name in _COUNTED if (found := _version(name))]
    return ", ".join([f"Python {platform.python_version()}", *packages, f"commit {_commit()}"])


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _commit() -> str:
    """The commit, marked where tracked code differs from it; the page that is being written does not count."""
    try:
        commit = _git("rev-parse", "--short=10", "HEAD")
        return commit + (" with changes" if _git("status", "--porcelain", "-uno", "--", ":!docs") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()

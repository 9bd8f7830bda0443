"""How much memory this machine has to give."""

from pathlib import Path

_LIMITS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)
"""Where control groups of both versions tell a container's limit and use."""


def available_memory(root: Path = Path("/")) -> int | None:
    """Bytes that can be allocated without swapping: the machine's, or the container's where that is less.

    Args:
        root: of the file system to look in.

    Returns:
        None where the system does not tell.
    """
    found = []
    meminfo = _read(root / "proc/meminfo")
    for line in meminfo.splitlines():
        if line.startswith("MemAvailable:"):
            found.append(int(line.split()[1]) * 1024)
    for limit, used in _LIMITS:
        most, now = _read(root / limit.lstrip("/")).strip(), _read(root / used.lstrip("/")).strip()
        if most.isdigit() and now.isdigit():
            found.append(max(0, int(most) - int(now)))
    return min(found) if found else None


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""

"""Small files that only their owner may read, such as keys, in the user's folder of settings."""

import os
import secrets
import stat
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path


def settings_file(name: str, *, environ: Mapping[str, str] = os.environ) -> Path:
    """Where the user's settings of this package hold a file: `~/.config/rl_assets`, or below `XDG_CONFIG_HOME`."""
    home = os.path.expanduser("~")
    if home.startswith("~"):
        home = "/"  # a user without a home, as in some containers, who is told what to do when the file is needed
    settings = Path(environ.get("XDG_CONFIG_HOME") or Path(home) / ".config")
    return settings / "rl_assets" / name


def mode_for_others(file: Path) -> int | None:
    """The file's permissions if they let others read or write it; None if it is private.

    Raises:
        OSError: the file is not there, or cannot be looked at.
    """
    mode = stat.S_IMODE(file.stat().st_mode)
    return mode if mode & 0o077 else None


def write_private(file: Path, text: str, *, publish: Callable[[Path, Path], None]) -> None:
    """Write a file with mode 0600, whole or not at all; its folder is created with mode 0700.

    Args:
        file: where it shall be.
        text: its contents.
        publish: puts the finished file in place: `os.link` where none may be there yet, `os.replace` otherwise.

    Raises:
        FileExistsError: the file is there already and `publish` does not replace it.
        OSError: the disk refused.
    """
    temporary = file.with_name(f"{file.name}.{secrets.token_hex(8)}")
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as handle:
            handle.write(text)
            handle.flush()
            os.fsync(handle.fileno())
        publish(temporary, file)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)

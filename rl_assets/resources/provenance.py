"""Which code made an artifact."""

import functools
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import rl_assets
from rl_assets.rl.numerics import numerics_fingerprint

COMMIT_VARIABLE = "RL_ASSETS_COMMIT"
IMAGE_VARIABLE = "RL_ASSETS_IMAGE_DIGEST"


def provenance(environ: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """Describe the running code: commit, dirty flag, package version, image digest, numerics fingerprint.

    A container has no checkout: its image sets `RL_ASSETS_COMMIT`. What cannot be known is None, never a guess.
    """
    commit, is_dirty = (environ[COMMIT_VARIABLE], False) if environ.get(COMMIT_VARIABLE) else _checkout()
    return {
        "rl/commit": commit,
        "rl/dirty": is_dirty,
        "rl/package_version": rl_assets.__version__,
        "rl/image_digest": environ.get(IMAGE_VARIABLE) or None,
        "rl/numerics": numerics_fingerprint(),
    }


@functools.cache
def _checkout() -> tuple[str | None, bool | None]:
    """Commit and dirty flag of the checkout that holds this package, read once for each process."""
    folder = Path(rl_assets.__file__).parent
    try:
        commit = _git("rev-parse", "HEAD", folder=folder)
        return commit, bool(_git("status", "--porcelain", folder=folder))
    except (OSError, subprocess.CalledProcessError):
        return None, None


def _git(*words: str, folder: Path) -> str:
    return subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()

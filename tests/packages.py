"""Packages with parts of their own, as a stranger would install them."""

from pathlib import Path

import pytest

from rl_assets.config.plugins import METRICS

LARGEST_REWARD = '''
import numpy as np


class LargestReward:
    """The largest reward of a step in an episode."""

    version = "3"

    def begin(self, num_streams):
        self.largest = np.full(num_streams, -np.inf)

    def observe(self, steps):
        rewards = np.where(steps.valid, steps.rewards, -np.inf)
        self.largest = np.maximum(self.largest, rewards)

    def finish(self, ended):
        values = self.largest.copy()
        self.largest[ended] = -np.inf
        return values
'''


def install(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    source: str = LARGEST_REWARD,
    package: str = "lively",
    group: str = METRICS,
    **points: str,
) -> None:
    """Put a package on the path.

    Args:
        folder: an empty one, new for each package.
        source: of its one module, which is called as the package.
        package: its name, version 1.2.
        group: of its entry points.
        points: part -> name in its module.
    """
    folder.mkdir()
    (folder / f"{package}.py").write_text(source)
    about = folder / f"{package}-1.2.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.2\n")
    lines = "".join(f"{name} = {package}:{place}\n" for name, place in points.items())
    (about / "entry_points.txt").write_text(f"[{group}]\n{lines}")
    monkeypatch.syspath_prepend(str(folder))

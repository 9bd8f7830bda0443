"""Gate episodes that end as a test says."""

from typing import Any

import numpy as np
import pytest

from rl_assets.rl.evaluation import EpisodeRecords


def play_fixed_returns(monkeypatch: pytest.MonkeyPatch, *returns: list[float]) -> list[list[int]]:
    """Let the episodes of every look end with these returns, for the candidate and then for the champion.

    Returns:
        The seeds of each look that was played; it grows as looks are played.
    """
    played: list[list[int]] = []

    def first_episodes(env: Any, contenders: Any, *, seeds: list[int], **settings: Any) -> list[EpisodeRecords]:
        played.append(list(seeds))
        size = len(returns[0])
        blank = np.zeros(size, np.int32)
        return [
            EpisodeRecords(returns=np.array(own), lengths=blank, seeds=blank, terminated=blank > 0, truncated=blank > 0)
            for own in returns[: len(contenders)]
        ]

    monkeypatch.setattr("rl_assets.resources.gating.first_episodes", first_episodes)
    return played

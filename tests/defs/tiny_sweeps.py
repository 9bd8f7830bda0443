"""Sweeps small enough to train in a test: a few updates of a tiny network."""

from typing import Any

from rl_assets.config.sweep import SweepConfig

ACME = {"client_id": "Acme Corporation", "project": "balance", "data_source": "simulator", "domain": "control"}
GLOBEX = {"client_id": "Globex GmbH", "project": "swing", "data_source": "simulator", "domain": "control"}


def tiny_sweep(name: str = "tiny", **changes: Any) -> SweepConfig:
    """Two recipes of CartPole, two seeds, 256 steps each; a floor that anything reaches."""
    document: dict[str, Any] = {
        "name": name,
        "envs": ["CartPole-v1"],
        "grid": {"learning_rate": [1e-3, 3e-3]},
        "fixed": {"num_envs": 4, "num_steps": 32, "hidden_sizes": [8]},
        "seeds": 2,
        "total_timesteps": 256,
        "evaluation": {"num_episodes": 4},
        "gates": {"floor": -1000.0, "num_episodes": 4},
        "dataset": ACME,
    }
    return SweepConfig.parse(document | changes, source=name)

"""Two clients, three datasets, a fine-tuned chain and a policy that both clients' data went into."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np

from rl_assets import api
from rl_assets.api.installation import Installation
from rl_assets.defs.graph import build_definitions
from rl_assets.resources.home import Home
from tests.conftest import PROJECT, QUIET
from tests.datasets.episode_files import columns_of, npz
from tests.defs.tiny_sweeps import tiny_sweep

ACME = {"client_id": "Acmetronics Incorporated", "project": "balance", "data_source": "rig", "domain": "control"}
ACME_TWO = ACME | {"project": "balance two"}
GLOBEX = {"client_id": "Globexia Gesellschaft", "project": "swing", "data_source": "rig", "domain": "control"}
CARTPOLE, ACROBOT = "CartPole-v1", "Acrobot-v1"
ROLES = "promoter: [alice]\neraser: [alice, bob]\nsecond_actor: true\n"


@contextmanager
def opened(folder: Path) -> Iterator[Installation]:
    """The installation in a folder, which can be copied when it is closed."""
    root = folder / "root"
    if not root.exists():
        root.mkdir(parents=True)
        for name in ("definitions.py", "dagster.yaml", "pyproject.toml", "rl_assets"):
            (root / name).symlink_to(PROJECT / name)
        (root / "roles.yaml").write_text(ROLES)
    (folder / "instance").mkdir(exist_ok=True)
    home = Home(root=root, state=folder / "state", store_url=str(folder / "state" / "store"))
    with dg.DagsterInstance.local_temp(str(folder / "instance"), overrides=QUIET) as instance:
        yield Installation(home=home, instance=instance, definitions=build_definitions(home))


def build(folder: Path) -> dict[str, str]:
    """Run the sweeps of both clients; returns name -> key of each dataset, and of each policy by its sweep."""
    with opened(folder) as installation:
        keys = {
            "acme.d1": add_dataset(installation, folder / "acme.npz", ACME, seed=1),
            "acme.d2": api.add_dataset(installation, **ACME_TWO).partition,
            "globex.d1": add_dataset(installation, folder / "globex.npz", GLOBEX, seed=2),
        }
        keys["acme"] = run(installation, "acme", dataset=keys["acme.d1"])
        keys["globex"] = run(installation, "globex", dataset=keys["globex.d1"], envs=[ACROBOT])
        chain = [{"total_timesteps": 128}, {"total_timesteps": 256, "dataset": keys["acme.d2"]}]
        keys["chain"] = run(installation, "chain", dataset=keys["acme.d1"], sequence=chain)
        keys["mixed"] = run(installation, "mixed", dataset=keys["globex.d1"], init_from=keys["acme"])
    return keys


def add_dataset(installation: Installation, file: Path, words: dict[str, str], *, seed: int) -> str:
    """Register 40 random steps in four episodes, two of them about `ann`."""
    values = np.random.default_rng(seed).normal(size=(40, 4)).astype(np.float32)
    subjects = np.repeat(np.array(["ann", "bob", "ann", "eve"]), 10)
    file.write_bytes(npz(**columns_of((10, 10, 10, 10), observations=values, subject=subjects)))
    return api.add_dataset(installation, **words, path=file).partition


def run(installation: Installation, name: str, **changes: Any) -> str:
    """Run a sweep of one recipe, or of one sequence; returns the hparam key of the last recipe."""
    config = tiny_sweep(name, **({"grid": {}, "seeds": 1} | changes))
    outcome = api.run_sweep(installation, config)
    assert not outcome.failed, outcome
    event = installation.log.latest("sweep_configs", name)
    assert event is not None
    return event.metadata["rl/cells"]["hparams"][-1]

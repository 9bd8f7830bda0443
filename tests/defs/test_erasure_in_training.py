"""A client is erased while one population trains on both clients' data: theirs goes, the others end as ever."""

import os
import subprocess
import sys
import time
from pathlib import Path

from rl_assets import api
from rl_assets.api.drive import drive
from rl_assets.api.installation import Installation
from rl_assets.api.sweeps import launch_sweep
from rl_assets.resources.event_log import ARTIFACT_KEY
from rl_assets.store.artifacts import ArtifactRef, read_artifact
from rl_assets.store.bundles import member_seeds, policy_file
from rl_assets.store.objects import ObjectStore
from tests.defs.test_erasure import ALICE, BOB
from tests.defs.tiny_sweeps import tiny_sweep
from tests.defs.two_clients import ACME, CARTPOLE, GLOBEX, opened

LONG = {"grid": {"learning_rate": [1e-3]}, "total_timesteps": 300_000, "segment_steps": 8_192}

_PROGRAM = """
import sys
from pathlib import Path
from tests.defs.test_lineage import train_all
from tests.defs.two_clients import opened
with opened(Path(sys.argv[1])) as installation:
    print("ready", flush=True)
    print("success" if train_all(installation).success else "failure", flush=True)
"""


def weights(installation: Installation, cell: str) -> dict[int, str]:
    event = installation.log.latest("trained_policies", cell)
    assert event is not None
    reference = ArtifactRef.from_json(event.metadata[ARTIFACT_KEY])
    artifact = read_artifact(ObjectStore(installation.home.store_url), reference)
    return {seed: artifact.checksum(policy_file(seed)) for seed in member_seeds(artifact)}


def test_a_client_is_erased_while_a_population_trains_on_its_data(tmp_path: Path) -> None:
    folder = tmp_path / "used"
    cells = {}
    with opened(folder) as used:
        for name, words in (("acme", ACME), ("globex", GLOBEX)):
            event = launch_sweep(used, tiny_sweep(name, dataset=words, **LONG))
            cells[name] = f"{CARTPOLE}|{event.metadata['rl/cells']['hparams'][0]}"
        owner = used.register.pseudonym_of(ACME["client_id"])
    command = [sys.executable, "-c", _PROGRAM, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=dict(os.environ)) as trainer:
        assert trainer.stdout is not None
        assert trainer.stdout.readline() == "ready\n"
        checkpoints = folder / "state" / "store" / "checkpoints" / owner
        while not list(checkpoints.rglob("*.safetensors")):
            assert trainer.poll() is None, "it ended before it was disturbed: make it longer"
            time.sleep(0.05)
        with opened(folder) as used:
            plan = api.plan_erasure(used, client=ACME["client_id"], actor=ALICE)
            outcome = api.confirm_erasure(used, plan["plan_id"], actor=BOB)
            still_at_work = trainer.poll() is None
        assert trainer.stdout.readline() == "failure\n", "the erased cell failed, by name"
    assert still_at_work, "the other client's members were still training when the certificate was signed"
    assert outcome["certificate"] == 1
    with opened(folder) as used:
        assert used.log.latest("trained_policies", cells["acme"]) is None
        store = Path(used.home.store_url)
        assert not [path for path in store.rglob("*") if path.is_file() and owner in path.parts]
        disturbed = weights(used, cells["globex"])
        list(drive(used))
        assert api.champion(used, CARTPOLE)["hparam"] == cells["globex"].split("|")[1]
        assert api.examine(used)["findings"] == []
    with opened(tmp_path / "alone") as alone:
        event = launch_sweep(alone, tiny_sweep("globex", dataset=GLOBEX, **LONG))
        list(drive(alone))
        assert weights(alone, f"{CARTPOLE}|{event.metadata['rl/cells']['hparams'][0]}") == disturbed

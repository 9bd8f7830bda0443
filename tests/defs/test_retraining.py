"""After an erasure others train again without the data: what it costs, and that nothing of the data is in it."""

from pathlib import Path

from rl_assets import api
from rl_assets.api.installation import Installation
from rl_assets.resources.event_log import ARTIFACT_KEY
from rl_assets.store.artifacts import ArtifactRef, read_artifact
from rl_assets.store.bundles import member_seeds, policy_file
from rl_assets.store.objects import ObjectStore
from tests.defs.test_erasure import ALICE, BOB
from tests.defs.two_clients import ACME, CARTPOLE, add_dataset, opened, run


def weights(installation: Installation, hparam: str) -> dict[int, str]:
    event = installation.log.latest("trained_policies", f"{CARTPOLE}|{hparam}")
    assert event is not None
    store = ObjectStore(installation.home.store_url)
    artifact = read_artifact(store, ArtifactRef.from_json(event.metadata[ARTIFACT_KEY]))
    return {seed: artifact.checksum(policy_file(seed)) for seed in member_seeds(artifact)}


def test_a_policy_trained_again_equals_one_that_never_saw_the_data(
    used: Installation, keys: dict[str, str], tmp_path: Path
) -> None:
    plan = api.plan_erasure(used, client=ACME["client_id"], actor=ALICE)
    outcome = api.confirm_erasure(used, plan["plan_id"], actor=BOB)
    (item,) = outcome["retraining"]["items"]
    assert (item["sweep"], item["how"], item["cells"]) == ("mixed", "without", [f"{CARTPOLE}|{keys['mixed']}"])
    assert item["env_steps"] == 256
    assert item["seconds"] > 0
    assert item["config"]["init_from"] is None
    (done,) = api.retrain(used, outcome["order"])
    assert done["launched_as"] == f"mixed-without-{outcome['order'][2:]}"
    event = used.log.latest("sweep_configs", done["launched_as"])
    assert event is not None
    (hparam,) = event.metadata["rl/cells"]["hparams"]
    again = weights(used, hparam)
    assert len(again) == 1

    with opened(tmp_path / "never") as pure:
        key = add_dataset(pure, tmp_path / "globex.npz", ACME | {"client_id": "Globexia Gesellschaft"}, seed=2)
        alone = run(pure, "alone", dataset=key)
        assert weights(pure, alone) == again
    assert api.champion(used, CARTPOLE)["hparam"] == hparam


def test_a_sequence_is_trained_again_from_the_first_step_that_is_left(used: Installation, keys: dict[str, str]) -> None:
    steps = [{"total_timesteps": 128}, {"total_timesteps": 256, "dataset": keys["globex.d1"]}]
    run(used, "both", dataset=keys["acme.d2"], sequence=steps)
    plan = api.plan_erasure(used, datasets=[keys["acme.d2"]], actor=ALICE)
    outcome = api.confirm_erasure(used, plan["plan_id"], actor=BOB)
    items = {item["sweep"]: item for item in outcome["retraining"]["items"]}
    assert set(items) == {"both", "chain"}
    assert [step["dataset"] for step in items["both"]["config"]["sequence"]] == [keys["globex.d1"]]
    assert [step["dataset"] for step in items["chain"]["config"]["sequence"]] == [None]
    done = {item["sweep"]: item for item in api.retrain(used, outcome["order"])}
    assert done["both"]["failed"] == []


def test_nobody_else_lost_anything(used: Installation, keys: dict[str, str]) -> None:
    plan = api.plan_erasure(used, datasets=[keys["globex.d1"]], actor=ALICE)
    outcome = api.confirm_erasure(used, plan["plan_id"], actor=BOB)
    assert outcome["retraining"] == {"items": [], "env_steps": 0, "seconds": None}

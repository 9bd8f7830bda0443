"""A sweep that starts from a policy is refused before anything is written where that cannot be."""

from collections.abc import Iterator
from typing import Any

import pytest

from rl_assets import api
from rl_assets.api.installation import Installation
from rl_assets.api.sweeps import launch_sweep
from rl_assets.errors import BadInput, InvalidConfig, ParentMismatch
from tests.defs.tiny_sweeps import tiny_sweep
from tests.installations import another_installation

ENV = "CartPole-v1"
SMALL = {"num_envs": 4, "num_steps": 32, "hidden_sizes": [8]}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation with one policy of two seeds, which reigns; nothing below writes into it."""
    with another_installation(tmp_path_factory.mktemp("trained") / "one") as installation:
        assert api.run_sweep(installation, tiny_sweep(grid={}, fixed=SMALL)).verdicts == {ENV: "pass"}
        yield installation


@pytest.fixture
def policy(trained: Installation) -> str:
    return next(iter(trained.log.latest_ids("trained_policies"))).split("|")[1]


def refusal(installation: Installation, **changes: Any) -> BadInput:
    before = installation.instance.get_dynamic_partitions("sweep")
    with pytest.raises(BadInput) as caught:
        launch_sweep(installation, tiny_sweep("tuned", **({"grid": {}, "fixed": SMALL} | changes)), source="tuned.yaml")
    assert installation.instance.get_dynamic_partitions("sweep") == before
    return caught.value


def test_an_env_without_a_champion_is_named(trained: Installation) -> None:
    error = refusal(trained, envs=[ENV, "Acrobot-v1"], init_from="champion")
    assert isinstance(error, InvalidConfig)
    assert str(error) == (
        "tuned.yaml: field 'init_from': there is no champion of 'Acrobot-v1' to start from: promote a policy there "
        "first, or name the hparam key of a policy"
    )


def test_a_policy_that_nobody_asks_for_is_named(trained: Installation) -> None:
    told = str(refusal(trained, sequence=[{"init_from": "ppo-lr=0.1-0123456789"}, {}]))
    assert told == (
        "tuned.yaml: field 'sequence.0.init_from': there is no policy 'CartPole-v1|ppo-lr=0.1-0123456789' to start "
        "from, and no sweep asks for one: take a key from `rlctl leaderboard CartPole-v1`, or launch its sweep first"
    )


@pytest.mark.parametrize("changes", [{"seeds": [0, 7]}, {"member": 7}])
def test_a_parent_without_a_member_that_is_needed_is_refused_with_the_seeds_that_it_has(
    trained: Installation, policy: str, changes: dict[str, Any]
) -> None:
    parent = {"hparam": policy} | ({"member_seed": changes["member"]} if "member" in changes else {})
    told = str(refusal(trained, init_from=parent, **{key: value for key, value in changes.items() if key == "seeds"}))
    assert f"field 'init_from': expected the policy '{ENV}|{policy}', which has the seeds 0, 1 and not 7" in told
    assert "name one for all with member_seed" in told


def test_a_parent_with_another_network_is_refused_with_both_named(trained: Installation, policy: str) -> None:
    error = refusal(trained, init_from=policy, fixed=SMALL | {"hidden_sizes": [9]})
    assert isinstance(error, ParentMismatch)
    assert "tuned.yaml: field 'init_from': 'CartPole-v1|ppo-lr=0.001-init=" in str(error)
    assert f"cannot start from trained_policies[{ENV}|{policy}]: expected network.hidden_sizes [9], got [8]" in str(
        error
    )


def test_a_champion_with_another_network_is_refused_too(trained: Installation) -> None:
    error = refusal(trained, init_from="champion", fixed=SMALL | {"activation": "relu"})
    assert f"cannot start from promoted_models[{ENV}]: expected network.activation relu, got tanh" in str(error)


def test_a_parent_in_an_env_with_other_spaces_is_refused(trained: Installation, policy: str) -> None:
    error = refusal(trained, envs=["Acrobot-v1"], init_from={"hparam": policy, "env": ENV})
    assert isinstance(error, ParentMismatch)
    assert "expected observations of shape 6, got 4" in str(error)


def test_a_dataset_of_a_step_that_nobody_registered_is_named_with_its_step(trained: Installation) -> None:
    told = str(refusal(trained, sequence=[{}, {"dataset": "c-0123456789.d1"}]))
    assert "tuned.yaml: field 'sequence.1.dataset': " in told
    assert "c-0123456789.d1" in told


def test_a_policy_that_is_asked_for_and_not_trained_yet_is_taken(installation: Installation) -> None:
    event = launch_sweep(installation, tiny_sweep(grid={}, fixed=SMALL))
    (parent,) = event.metadata["rl/cells"]["hparams"]
    child = launch_sweep(installation, tiny_sweep("tuned", grid={}, fixed=SMALL, init_from=parent))
    assert child.metadata["rl/cells"]["parents"] == {child.metadata["rl/cells"]["hparams"][0]: {"hparam": parent}}

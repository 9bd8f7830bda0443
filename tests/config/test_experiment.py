import copy
from pathlib import Path
from typing import Any

import pytest

from rl_assets.config.experiment import IN_HOUSE, read_experiment
from rl_assets.config.sweep import SweepConfig
from rl_assets.config.sweep_plan import plan_sweep
from rl_assets.config.yaml import load_yaml
from rl_assets.errors import BadInput

CHARTER = Path(__file__).with_name("ppo_cartpole_mvp.yaml")


def charter(**changes: Any) -> dict[str, Any]:
    """The charter's document with changed values, named as `train__lr`."""
    document = copy.deepcopy(load_yaml(CHARTER))
    for path, value in changes.items():
        *parents, name = path.split("__")
        place = document
        for parent in parents:
            place = place[parent]
        place[name] = value
    return document


def refusal(**changes: Any) -> str:
    with pytest.raises(BadInput) as caught:
        read_experiment(charter(**changes), source="e.yaml")
    return str(caught.value)


def test_the_charters_file_is_one_recipe_with_its_budget():
    sweep = read_experiment(load_yaml(CHARTER), source=str(CHARTER))
    plan = plan_sweep(sweep, dataset="c-0123456789.d1")
    (recipe,) = plan.recipes.values()
    assert plan.name == "ppo_cartpole_mvp"
    assert list(plan.envs) == ["CartPole-v1"]
    assert plan.seeds == (123,)
    assert recipe.total_timesteps == 204_800
    assert recipe.algorithm.num_envs == 16
    assert recipe.algorithm.num_steps == 256
    assert recipe.algorithm.num_minibatches == 2
    assert recipe.algorithm.learning_rate == 0.0003
    assert recipe.algorithm.discount == 0.99
    assert recipe.network.hidden_sizes == (128, 128)
    assert recipe.network.activation == "tanh"
    assert sweep.action_space == "discrete"
    assert sweep.dataset == IN_HOUSE


def test_an_experiment_and_the_sweep_that_says_the_same_have_the_same_key():
    sweep = SweepConfig.parse(
        {
            "name": "other",
            "envs": ["CartPole-v1"],
            "network": {"hidden_sizes": [128, 128]},
            "grid": {"learning_rate": [0.0003, 0.1]},
            "fixed": {"num_envs": 16, "num_steps": 256, "num_minibatches": 2, "discount": 0.99},
            "total_timesteps": 204_800,
            "dataset": "c-0.d1",
        },
        source="t",
    )
    (key,) = plan_sweep(read_experiment(charter(), source="e"), dataset="c-0.d1").recipes
    assert key in plan_sweep(sweep, dataset="c-0.d1").recipes


def test_what_an_experiment_leaves_out_has_defaults():
    document = charter(dataset="c-0.d1")
    for part, name in (("env", "num_envs"), ("env", "seed"), ("train", "off_policy"), ("train", "gamma")):
        del document[part][name]
    del document["policy"]["network"]
    sweep = read_experiment(document, source="e")
    assert (sweep.fixed["num_envs"], sweep.fixed["discount"], sweep.seeds) == (8, 0.99, (42,))
    assert sweep.network.hidden_sizes == (64, 64)
    assert sweep.dataset == "c-0.d1"


def test_a_continuous_policy_asks_for_continuous_actions():
    assert read_experiment(charter(policy__discrete=False), source="e").action_space == "continuous"


def test_blanks_in_a_name_become_dashes():
    assert read_experiment(charter(name="  my first  try "), source="e").name == "my-first-try"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"train__off_policy": True},
            "field 'train.off_policy': expected false, got true: nothing else is there yet, write false or",
        ),
        ({"policy__algo": "sac"}, "field 'policy.algo': expected 'ppo', got 'sac': nothing else is there yet, write"),
        ({"train__lr": 2.0}, "field 'train.lr': expected a number above 0 and at most 1, got 2.0: try 0.0003"),
        (
            {"train__steps_per_epoch": 4100},
            "field 'train.steps_per_epoch': expected a multiple of the 16 envs, got 4100: choose 4096",
        ),
        (
            {"train__steps_per_epoch": 5},
            "field 'train.steps_per_epoch': expected a multiple of the 16 envs, got 5: choose 16, or another",
        ),
        (
            {"train__batch_size": 1000},
            "field 'train.batch_size': expected a divisor of the 4096 steps of an epoch, got 1000: choose 512",
        ),
        (
            {"train__batch_size": 10**9},
            "field 'train.batch_size': expected a divisor of the 4096 steps of an epoch, got 1000000000: choose 4096",
        ),
        (
            {"env__num_envs": 1, "train__steps_per_epoch": 2**17, "train__batch_size": 2**16},
            "field 'train.steps_per_epoch': expected at most 65,536 steps of each env, got 131,072: lower",
        ),
        (
            {"train__steps_per_epoch": 2**17, "train__batch_size": 16},
            "field 'train.batch_size': expected at most 4,096 minibatches in an epoch, got 8,192: raise it",
        ),
        (
            {"train__epochs": 10**7, "train__steps_per_epoch": 2**16},
            "expected at most 100,000,000,000 steps in all, got 10,000,000 epochs of 65,536 steps",
        ),
        ({"train__lr": -3e-4}, "field 'train.lr': expected a number above 0 and at most 1, got -0.0003"),
        ({"train__lr": float("nan")}, "field 'train.lr': expected a finite number above 0 and at most 1, got nan"),
        ({"train__lr": "3e-4"}, "got '3e-4': remove the quotes"),
        ({"train__gamma": 1.1}, "field 'train.gamma': expected a number from 0 to 1, got 1.1"),
        ({"train__epochs": 50.0}, "got 50.0: write 50"),
        ({"env__num_envs": 0}, "field 'env.num_envs': expected a whole number from 1 to 4096, got 0"),
        ({"env__num_envs": True}, "field 'env.num_envs': expected a whole number from 1 to 4096, got true"),
        ({"env__seed": -1}, "field 'env.seed': expected a whole number from 0 to 2,147,483,647, got -1"),
        ({"env": "CartPole-v1"}, "field 'env': expected a mapping of id, num_envs, seed, options, got 'CartPole-v1'"),
        ({"policy__algo": "sac"}, "field 'policy.algo': expected 'ppo', got 'sac'"),
        ({"policy__discrete": "yes"}, "field 'policy.discrete': expected true or false, got 'yes'"),
        ({"policy__network__layers": 2}, "unknown field 'policy.network.layers': expected one of activation"),
        ({"train__learning_rate": 1}, "unknown field 'train.learning_rate': expected one of batch_size, epochs"),
        ({"env__Seed": 1}, "unknown field 'env.Seed': did you mean 'seed'? expected one of id"),
        ({"buffer": {}}, "unknown field 'buffer': expected one of dataset, env, name, policy, train"),
        ({"name": "a|b"}, "field 'name': sweep key 'a|b' holds '|'"),
        ({"name": " "}, "field 'name': sweep key is empty"),
        ({"dataset": {"client_id": "Acme"}}, "field 'dataset.project' is missing"),
    ],
)  # fmt: skip
def test_a_wrong_experiment_is_refused_in_the_words_of_its_own_file(changes, told):
    message = refusal(**changes)
    assert message.startswith("e.yaml: ")
    assert told in message


@pytest.mark.parametrize("part", ["env", "policy", "train"])
def test_a_missing_part_is_named(part):
    document = charter()
    del document[part]
    with pytest.raises(BadInput, match=rf"^e\.yaml: field '{part}' is missing: add a mapping of "):
        read_experiment(document, source="e.yaml")

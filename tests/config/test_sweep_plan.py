from rl_assets.config.sweep import SweepConfig
from rl_assets.config.sweep_plan import SweepPlan, plan_sweep

DATASET = "c-0123456789.d1"


def plan(**changes: object) -> SweepPlan:
    document = {"name": "s", "envs": ["CartPole-v1", "Acrobot-v1"], "dataset": DATASET, "seeds": 3}
    return plan_sweep(SweepConfig.parse(document | changes, source="s"), dataset=DATASET)


def test_recipes_that_start_from_fresh_weights_are_one_level_without_parents():
    flat = plan(grid={"learning_rate": [1e-3, 1e-2]})
    assert (flat.num_levels, flat.parents, flat.datasets) == (1, {}, (DATASET,))
    assert flat.num_members == 2 * 2 * 3


def test_a_parent_outside_the_sweep_is_no_level_of_it():
    tuned = plan(init_from="ppo-lr=0.001-0123456789")
    assert tuned.num_levels == 1
    assert [parent.hparam for parent in tuned.parents.values()] == ["ppo-lr=0.001-0123456789"]


def test_a_champion_is_no_policy_to_wait_for():
    assert plan(init_from="champion").parents == {}


def test_a_plan_with_a_sequence_survives_json():
    chain = plan(sequence=[{}, {"fixed": {"learning_rate": 1e-4}}])
    assert SweepPlan.model_validate_json(chain.model_dump_json()) == chain

import pytest

from rl_assets.config.guardrails import GuardrailsConfig
from rl_assets.config.sweep import SweepConfig
from rl_assets.config.sweep_plan import plan_sweep
from rl_assets.errors import InvalidConfig
from tests.defs.tiny_sweeps import tiny_sweep

LIMITS = [name for name in GuardrailsConfig.model_fields if name.startswith(("max_", "min_"))]


@pytest.mark.parametrize("name", LIMITS)
def test_each_guardrail_is_on_and_null_switches_it_off(name):
    assert getattr(GuardrailsConfig(), name) is not None
    assert getattr(GuardrailsConfig.parse({name: None}, source="g"), name) is None


@pytest.mark.parametrize("name", LIMITS)
@pytest.mark.parametrize("value", [0, -1, float("inf"), float("nan"), "off"])
def test_limits_are_positive_numbers(name, value):
    with pytest.raises(InvalidConfig, match=f"g: field '{name}'"):
        GuardrailsConfig.parse({name: value}, source="g")


def test_nobody_stops_at_a_target_unasked():
    assert GuardrailsConfig().target_return is None


def test_a_sweeps_guardrails_are_those_of_all_its_recipes():
    sweep = tiny_sweep(guardrails={"target_return": 100.0, "max_kl": None})
    recipes = plan_sweep(sweep, dataset="d").recipes
    assert len(recipes) == 2
    assert {recipe.guardrails for recipe in recipes.values()} == {GuardrailsConfig(target_return=100.0, max_kl=None)}


def test_the_wall_time_is_the_sweeps_and_changes_no_key():
    hurried, patient = plan_sweep(tiny_sweep(max_wall_time_s=60), dataset="d"), plan_sweep(tiny_sweep(), dataset="d")
    assert (hurried.max_wall_time_s, patient.max_wall_time_s) == (60, None)
    assert set(hurried.recipes) == set(patient.recipes)


def test_a_guardrail_in_the_wrong_place_is_told_the_right_one():
    with pytest.raises(InvalidConfig, match=r"'max_kl'.*it is a guardrail: put it under guardrails"):
        tiny_sweep(max_kl=1)


def test_an_unknown_guardrail_is_named_with_the_nearest():
    with pytest.raises(InvalidConfig, match=r"guardrails\.max_kll"):
        SweepConfig.parse(
            {"name": "a", "envs": ["CartPole-v1"], "dataset": "d", "guardrails": {"max_kll": 1}}, source="s"
        )

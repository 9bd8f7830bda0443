"""An algorithm's page lists every metric that its trainings log, in their order."""

import re
from pathlib import Path

import pytest

from rl_assets.config.algorithms import ALGORITHMS
from rl_assets.config.environment import EnvConfig
from rl_assets.config.ppo import PPOConfig
from rl_assets.config.recipe import Recipe
from rl_assets.rl.envs.catalogue import describe_env
from rl_assets.rl.outcomes import TrainedMember
from rl_assets.rl.plan import Member
from rl_assets.rl.population import train_population
from tests.rl.demonstrators import cloning_member, made_up

PAGES = Path(__file__).parents[2] / "docs" / "algorithms"


def columns_of(member: Member, env_id: str) -> list[str]:
    env = EnvConfig(id=env_id)
    spaces = describe_env(env)
    (result,) = train_population(
        env=env, spaces=spaces, members=[member], demonstrations=made_up(spaces), on_update=lambda report: None
    )
    assert isinstance(result, TrainedMember)
    return list(result.history)


def explained(page: str) -> list[str]:
    section = (PAGES / page).read_text().split("## Logged metrics\n")[1].split("\n## ")[0]
    return re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)


def test_every_algorithm_has_its_page() -> None:
    assert sorted(page.stem for page in PAGES.glob("*.md")) == sorted(ALGORITHMS)


def test_every_logged_metric_of_ppo_is_explained_and_no_other() -> None:
    recipe = Recipe(algorithm=PPOConfig(num_envs=1, num_steps=4), total_timesteps=4, dataset="d")
    assert explained("ppo.md") == columns_of(Member(recipe=recipe, hparam="h", seed=0), "CartPole-v1")


def test_every_logged_metric_of_bc_is_explained_and_no_other() -> None:
    logged = [columns_of(cloning_member(), env_id) for env_id in ("CartPole-v1", "Pendulum-v1")]
    assert set(explained("bc.md")) == {column for columns in logged for column in columns}
    for columns in logged:
        assert [column for column in explained("bc.md") if column in columns] == columns


@pytest.mark.parametrize("name", ALGORITHMS)
def test_every_page_has_the_same_form(name: str) -> None:
    headings = re.findall(r"^## (.+)$", (PAGES / f"{name}.md").read_text(), re.MULTILINE)
    assert headings == ["Usage", "Details that matter", "Logged metrics", "Results"]

"""An algorithm's page lists every metric that its trainings log, in their order."""

import re
from pathlib import Path

from rl_assets.config.environment import EnvConfig
from rl_assets.config.ppo import PPOConfig
from rl_assets.config.recipe import Recipe
from rl_assets.rl.envs.catalogue import describe_env
from rl_assets.rl.outcomes import TrainedMember
from rl_assets.rl.plan import Member
from rl_assets.rl.population import train_population

PAGE = Path(__file__).parents[2] / "docs" / "algorithms" / "ppo.md"


def test_every_logged_metric_of_ppo_is_explained_and_no_other() -> None:
    env = EnvConfig(id="CartPole-v1")
    recipe = Recipe(algorithm=PPOConfig(num_envs=1, num_steps=4), total_timesteps=4, dataset="d")
    (result,) = train_population(
        env=env,
        spaces=describe_env(env),
        members=[Member(recipe=recipe, hparam="h", seed=0)],
        on_update=lambda report: None,
    )
    assert isinstance(result, TrainedMember)
    section = PAGE.read_text().split("## Logged metrics\n")[1].split("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == list(result.history)

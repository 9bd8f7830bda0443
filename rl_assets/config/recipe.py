"""A recipe: everything that decides a training except the environment and the seed."""

from pydantic import Field

from rl_assets.config.algorithms import ALGORITHMS, AlgorithmConfig
from rl_assets.config.canonical import config_hash, spell_value
from rl_assets.config.guardrails import GuardrailsConfig
from rl_assets.config.keys import HASH_LENGTH, check_key
from rl_assets.config.network import NetworkConfig
from rl_assets.config.parent import Parent
from rl_assets.config.ppo import PPOConfig
from rl_assets.config.strict import StrictModel

MAX_TIMESTEPS = 100_000_000_000
READABLE_LENGTH = 60
SEGMENT_STEPS, SEGMENT_ENV_STEPS = 250_000, 4_000
"""Steps of a segment where a recipe does not say: in all, and in each environment, so that few episodes are cut."""

_SHORT_NAMES = {"learning_rate": "lr", "total_timesteps": "steps", "num_envs": "envs", "hidden_sizes": "hidden"}


class Recipe(StrictModel):
    """One column of a sweep: algorithm, network, budget and data; its members differ by seed alone."""

    algorithm: AlgorithmConfig = Field(default_factory=PPOConfig)
    """The algorithm with all its hyper-parameters."""

    network: NetworkConfig = Field(default_factory=NetworkConfig)
    """The policy's network."""

    total_timesteps: int = Field(default=200_000, ge=1, le=MAX_TIMESTEPS)
    """Environment steps of each member, or samples of the dataset for bc; the last update is always whole."""

    segment_steps: int | None = Field(default=None, ge=1, le=MAX_TIMESTEPS, examples=[1_000_000])
    """Steps between two checkpoints, where the pool gets fresh seeds; null: 250,000, or 4,000 for each env if more."""

    guardrails: GuardrailsConfig = Field(default_factory=GuardrailsConfig)
    """What stops a member before its budget is spent."""

    dataset: str
    """Partition key of the dataset whose owner this training is for."""

    init_from: Parent | None = Field(default=None, exclude_if=lambda parent: parent is None)
    """The policy whose weights it starts from; null: fresh ones. Left out of what is written where there is none."""

    @property
    def steps_per_segment(self) -> int:
        """Steps of the budget between two checkpoints, before they are rounded down to whole updates."""
        return self.segment_steps or max(SEGMENT_STEPS, SEGMENT_ENV_STEPS * self.algorithm.num_streams)


def hparam_key(recipe: Recipe) -> str:
    """Name a recipe: the algorithm, the values that differ from the defaults as far as there is room, a hash over all.

    The name depends on the recipe alone, not on the sweep that asks for it or on the order of its fields.

    Returns:
        A partition key such as `ppo-lr=0.003-steps=100000-1f0c9a3b2e`.
    """
    readable = recipe.algorithm.name
    for word in _differences(recipe):
        if len(readable) + 1 + len(word) <= READABLE_LENGTH:  # never half a word: `steps=1000` must not mean 100000
            readable += f"-{word}"
    return check_key(f"{readable}-{config_hash(recipe)[:HASH_LENGTH]}", kind="hparam")


def spell_field(name: str, value: object) -> str:
    """Write a field with its value as keys and labels do: `lr=0.003`."""
    return f"{_SHORT_NAMES.get(name, name)}={spell_value(value)}"


def _differences(recipe: Recipe) -> list[str]:
    """The readable words: the learning rate always, a parent, then what is not the default, as declared."""
    words = [spell_field("learning_rate", recipe.algorithm.learning_rate)]
    if recipe.init_from is not None:
        words.append(f"init={recipe.init_from.word}")
    parts = (
        (recipe.algorithm, ALGORITHMS[recipe.algorithm.name](), {"name", "learning_rate"}),
        (recipe.network, NetworkConfig(), set()),
        (recipe, Recipe(dataset=recipe.dataset), {"algorithm", "network", "guardrails", "dataset", "init_from"}),
        (recipe.guardrails, GuardrailsConfig(), set()),
    )
    for chosen, default, left_out in parts:
        for name in type(chosen).model_fields:
            if name not in left_out and getattr(chosen, name) != getattr(default, name):
                words.append(spell_field(name, getattr(chosen, name)))
    return words

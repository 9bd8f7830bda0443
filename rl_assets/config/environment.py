"""Which environment, and how it is configured."""

from pydantic import Field

from rl_assets.config.canonical import short_number
from rl_assets.config.keys import fit_key
from rl_assets.config.strict import StrictModel

OptionValue = bool | int | float | str


class EnvConfig(StrictModel):
    """An environment id with the options that make it another task."""

    id: str = Field(min_length=1)
    """EnvPool's id such as `CartPole-v1`; sweeps also take short names such as `pong`."""

    options: dict[str, OptionValue] = Field(default_factory=dict)
    """Keyword options of the environment such as `frame_skip: 2`; those that we manage are refused."""


def env_key(env: EnvConfig) -> str:
    """Name an environment configuration: its id, then its options in alphabetical order.

    Returns:
        A partition key such as `CartPole-v1` or `Pong-v5-frame_skip=2`; long or unusual ones end in a hash.
    """
    words = [env.id] + [f"{name}={_spell(value)}" for name, value in sorted(env.options.items())]
    return fit_key("-".join(words), identity=env.model_dump(mode="json"))


def _spell(value: OptionValue) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return short_number(value)
    return value

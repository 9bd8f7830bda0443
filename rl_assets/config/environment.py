"""Which environment, and how it is configured."""

import re
from typing import Annotated, ClassVar

from pydantic import Field

from rl_assets.config.canonical import spell_value
from rl_assets.config.expectations import Wording
from rl_assets.config.keys import fit_key
from rl_assets.config.strict import StrictModel

OptionValue = Annotated[bool | int | float | str, Wording("true or false, a number or a text")]

_PLAIN_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")


class EnvConfig(StrictModel):
    """An environment id with the options that make it another task."""

    WRITTEN_AS: ClassVar[str] = "an environment id or {id: ..., options: {...}}"

    id: str = Field(min_length=1)
    """EnvPool's id such as `CartPole-v1`; sweeps also take short names such as `lunar_lander`."""

    options: dict[str, OptionValue] = Field(default_factory=dict)
    """Keyword options of the environment such as `frame_skip: 2`; those that we manage are refused."""


def env_key(env: EnvConfig) -> str:
    """Name an environment configuration: its id, then its options in alphabetical order.

    Two configurations have one key only if they are the same task: `2` and `2.0` are one value, `true` and `"true"`
    are two.

    Returns:
        A partition key such as `CartPole-v1` or `Pong-v5-frame_skip=2`; long or unusual ones end in a hash.
    """
    options = sorted(env.options.items())
    readable = "-".join([env.id, *(f"{name}={spell_value(value)}" for name, value in options)])
    identity = {
        "id": env.id,
        "options": {name: [isinstance(value, str), spell_value(value)] for name, value in options},
    }
    return fit_key(readable, identity=identity, is_ambiguous=not all(_is_plain(*option) for option in options))


def _is_plain(name: str, value: OptionValue) -> bool:
    """Whether an option can be read back from its spelling: no text that looks like another type or another option."""
    is_misread = isinstance(value, str) and (value in {"true", "false"} or not _PLAIN_WORD.fullmatch(value))
    return _PLAIN_WORD.fullmatch(name) is not None and not is_misread

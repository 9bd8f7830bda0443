"""Keyword options of an environment: which may be set, and to what."""

import math
from typing import Any

from rl_assets.config.environment import EnvConfig, OptionValue
from rl_assets.errors import UnsupportedEnvironment

MANAGED_OPTIONS = {
    "num_envs": "set num_envs of the algorithm",
    "batch_size": "every environment is stepped every time",
    "num_threads": "a training's plan sets it",
    "thread_affinity_offset": "the operating system places threads",
    "max_num_players": "it follows from the environment",
    "seed": "set the sweep's seeds",
    "env_seed": "set the sweep's seeds",
    "gym_reset_return_info": "it has no effect on training",
    "base_path": "assets come from the installed package",
    "reward_threshold": "set the sweep's gates",
    "task": "it is part of the environment's id",
    "task_name": "it is part of the environment's id",
    "env_name": "it is part of the environment's id",
    "adroit_task": "it is part of the environment's id",
    "xml_file": "a model that does not fit the environment corrupts memory",
    "obs_dim": "it follows from the environment",
    "action_dim": "it follows from the environment",
    "qpos_dim": "it follows from the environment",
    "qvel_dim": "it follows from the environment",
    "reset_dim": "it follows from the environment",
    "constraint_obs_dim": "it follows from the environment",
    "from_pixels": "policies see flat vectors",
    "render_mode": "training does not render",
    "render_env_id": "training does not render",
    "render_width": "training does not render",
    "render_height": "training does not render",
    "render_camera_id": "training does not render",
}
"""Options that are refused because something else decides them, and what does."""

POSITIVE_OPTIONS = frozenset({"max_episode_steps", "frame_skip", "frame_stack", "action_repeat"})
"""Whole numbers that EnvPool takes below 1 without complaint, and then misbehaves."""


def check_options(env: EnvConfig, *, defaults: dict[str, Any]) -> dict[str, OptionValue]:
    """Compare the options of an environment with what its spec declares.

    Args:
        env: an environment whose id is exact.
        defaults: the spec's options with their default values.

    Returns:
        The options as EnvPool takes them: whole numbers become floats where it wants floats.

    Raises:
        UnsupportedEnvironment: names the option, what was expected, what came and what to do.
    """
    return {name: _check_option(env, name, value, defaults) for name, value in env.options.items()}


def _check_option(env: EnvConfig, name: str, value: OptionValue, defaults: dict[str, Any]) -> OptionValue:
    default = defaults.get(name)

    def refuse(expected: str) -> UnsupportedEnvironment:
        return UnsupportedEnvironment(
            f"env '{env.id}', option '{name}' is {value!r}: expected {expected}, such as its default {default!r}"
        )

    if name in MANAGED_OPTIONS:
        raise UnsupportedEnvironment(
            f"env '{env.id}', option '{name}' cannot be set: {MANAGED_OPTIONS[name]}; remove it"
        )
    if name not in defaults:
        known = ", ".join(sorted(set(defaults) - set(MANAGED_OPTIONS)))
        raise UnsupportedEnvironment(f"env '{env.id}' has no option '{name}': expected one of {known}")
    if isinstance(default, bool):
        if not isinstance(value, bool):
            raise refuse("true or false")
        return value
    if isinstance(default, int):
        if isinstance(value, bool) or not isinstance(value, int) or not -(2**31) <= value < 2**31:
            raise refuse("a whole number of 32 bits")
        if name in POSITIVE_OPTIONS and value < 1:
            raise refuse("a whole number >= 1")
        return value
    if isinstance(default, float):
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise refuse("a finite number")
        return float(value)
    if isinstance(default, str):
        if not isinstance(value, str) or "/" in value or "\\" in value:
            raise refuse("a plain name without a path")
        return value
    raise UnsupportedEnvironment(
        f"env '{env.id}', option '{name}' takes a {type(default).__name__}: "
        "this version sets true/false, numbers and text only; remove it"
    )

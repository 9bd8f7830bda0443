"""EnvPool's own lists: environment ids and their specs, loaded when they are first needed."""

import functools
import importlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rl_assets.config.environment import EnvConfig, OptionValue
from rl_assets.errors import UnsupportedEnvironment

CHEAP_FAMILIES = frozenset({"envpool.classic_control", "envpool.toy_text"})
"""EnvPool's modules whose environments are a few lines of arithmetic."""


def import_envpool() -> Any:
    """Import EnvPool when it is first needed: it takes about a second."""
    return importlib.import_module("envpool")


@functools.cache
def known_env_ids() -> frozenset[str]:
    """Every id that EnvPool registers."""
    return frozenset(import_envpool().list_all_envs())


def is_cheap(env_id: str) -> bool:
    """Whether a step takes about a microsecond, less than a second thread costs."""
    family, _, _ = importlib.import_module("envpool.registration").registry.specs[env_id]
    return family in CHEAP_FAMILIES


@contextmanager
def without_box_warnings() -> Iterator[None]:
    """Silence Gymnasium where EnvPool gives it float64 bounds for a float32 box, as it does on purpose."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*precision lowered by casting.*", category=UserWarning)
        yield


def load_spec(env_id: str, options: dict[str, OptionValue] | None = None) -> Any:
    """Ask EnvPool for the spec of an environment.

    With options this belongs in a child process: some of them end the process that asks.

    Raises:
        UnsupportedEnvironment: the environment or its options do not load on this machine.
    """
    try:
        with without_box_warnings():
            return import_envpool().make_spec(env_id, **(options or {}))
    except Exception as error:
        raise UnsupportedEnvironment(
            f"env '{env_id}' cannot be loaded on this machine ({first_line(error)}): choose another or other options"
        ) from error


def published_threshold(env: EnvConfig, spec: Any) -> float | None:
    """The mean return at which Gymnasium calls the task solved, EnvPool's where Gymnasium is silent.

    Options make another task, for which nobody published anything: None.
    """
    if env.options:
        return None
    registered = importlib.import_module("gymnasium").registry.get(env.id)
    threshold = registered.reward_threshold if registered is not None else None
    return threshold if threshold is not None else spec.reward_threshold


def first_line(error: BaseException) -> str:
    """The first line of an error's text, or its type where it has none."""
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__

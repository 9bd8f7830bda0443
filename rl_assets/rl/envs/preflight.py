"""Try an environment out in a child process before any compute is spent on it."""

import functools
import sys

import numpy as np

from rl_assets.config.canonical import canonical_json
from rl_assets.config.environment import EnvConfig
from rl_assets.errors import EnvironmentFault, RlAssetsError, UnsupportedEnvironment
from rl_assets.rl.child import ChildProcess, connect_to_parent
from rl_assets.rl.envs.library import import_envpool, load_spec, published_threshold
from rl_assets.rl.envs.pool import EnvironmentPool
from rl_assets.rl.envs.spaces import DiscreteActions, EnvSpaces, MultiDiscreteActions, read_spaces
from rl_assets.rl.seeding import Purpose, env_seeds

TIMEOUT_S = 30.0
"""Far more than a sound environment takes, also while other runs use every core."""

START_TIMEOUT_S = 60.0
NUM_STEPS = 32


def check_env(env: EnvConfig, *, timeout_s: float = TIMEOUT_S) -> EnvSpaces:
    """Build two of an environment in a child process and step them with random actions.

    What is fine is remembered for the life of this process.

    Args:
        env: an environment whose id is exact and whose options were checked by name and type.
        timeout_s: seconds that building and stepping may take, once the child has started.

    Raises:
        UnsupportedEnvironment: it cannot be trained in, does not start, kills its process, hangs, or returns numbers
            that are not finite.
    """
    return _check(canonical_json(env.model_dump(mode="json")), timeout_s)


@functools.cache
def _check(env_json: bytes, timeout_s: float) -> EnvSpaces:
    env = EnvConfig.model_validate_json(env_json)
    options = "".join(f", {name}={value!r}" for name, value in sorted(env.options.items()))
    with ChildProcess(__name__) as child:
        try:
            child.receive(timeout_s=START_TIMEOUT_S)
            child.send(env)
            verdict = child.receive(timeout_s=timeout_s)
        except EnvironmentFault as fault:
            raise UnsupportedEnvironment(
                f"env '{env.id}'{options} kills the process that steps it ({fault}): change its options"
            ) from fault
        except TimeoutError as timeout:
            raise UnsupportedEnvironment(
                f"env '{env.id}'{options} did not finish {NUM_STEPS} steps within {timeout_s:g} s: change its options, "
                "choose another, or try again when this machine is less busy"
            ) from timeout
    if isinstance(verdict, str):
        raise UnsupportedEnvironment(verdict)
    return EnvSpaces.from_json(verdict)


def try_out(env: EnvConfig) -> EnvSpaces:
    """Build two of an environment here and step them with random actions.

    Raises:
        UnsupportedEnvironment: it cannot be trained in, or returns numbers that are not finite.
        EnvironmentFault: EnvPool failed.
    """
    spec = load_spec(env.id, env.options)
    spaces = read_spaces(spec, env_id=env.id, reward_threshold=published_threshold(env, spec))
    seeds = env_seeds(purpose=Purpose.TRAIN, env_key="preflight", member_seed=0, num_envs=2)
    rng = np.random.default_rng(0)
    with EnvironmentPool(env, spaces=spaces, seeds=seeds) as pool:
        observations, rewards = pool.reset().observations, np.zeros(2)
        for step in range(NUM_STEPS + 1):
            if not (np.isfinite(observations).all() and np.isfinite(rewards).all()):
                raise UnsupportedEnvironment(
                    f"env '{env.id}' returned numbers that are not finite after {step} random steps: change its options"
                )
            batch = pool.step(_random_actions(spaces, rng))
            observations, rewards = batch.observations, batch.rewards
    return spaces


def _random_actions(spaces: EnvSpaces, rng: np.random.Generator) -> np.ndarray:
    actions = spaces.actions
    if isinstance(actions, DiscreteActions):
        return rng.integers(actions.n, size=2)
    if isinstance(actions, MultiDiscreteActions):
        return rng.integers(actions.ns, size=(2, len(actions.ns)))
    low, high = np.clip(actions.low, -1e3, 1e3), np.clip(actions.high, -1e3, 1e3)
    return rng.uniform(low, high, size=(2, actions.size)).astype(np.float32).clip(low, high).astype(np.float32)


def main() -> None:
    """Serve one question of `check_env`."""
    connection = connect_to_parent()
    import_envpool()
    connection.send("ready")
    try:
        verdict: object = try_out(connection.recv()).to_json()
    except RlAssetsError as error:
        verdict = str(error)
    connection.send(verdict)


if __name__ == "__main__":
    sys.exit(main())

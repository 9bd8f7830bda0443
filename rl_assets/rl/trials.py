"""The two trials of a trained policy: selection episodes, which rank it, and gate episodes, which decide."""

from collections.abc import Mapping, Sequence

import numpy as np

from rl_assets.config.environment import EnvConfig, env_key
from rl_assets.config.evaluation import EvaluationConfig
from rl_assets.rl.envs.catalogue import describe_env
from rl_assets.rl.envs.spaces import EnvSpaces
from rl_assets.rl.evaluation import EpisodeRecords, evaluate, num_streams
from rl_assets.rl.policy import PolicySpec
from rl_assets.rl.population import single_thread
from rl_assets.rl.seeding import Purpose, env_seeds


def selection_episodes(
    *,
    env: EnvConfig,
    spaces: EnvSpaces,
    spec: PolicySpec,
    members: Mapping[int, Mapping[str, np.ndarray]],
    config: EvaluationConfig,
) -> dict[int, EpisodeRecords]:
    """Run the members of recipes that share a spec on selection episodes, all in one pool.

    The starts depend on the environment and the member's seed alone, so that recipes meet equal starts.

    Args:
        env: the environment.
        spaces: its spaces.
        spec: what the policies have in common.
        members: training seed -> tensors.
        config: how many episodes, and whether actions are sampled.

    Returns:
        Training seed -> its episodes.

    Raises:
        EnvironmentFault: the pool failed, an episode never ended, or a return is not finite.
    """
    seeds = [
        env_seeds(
            purpose=Purpose.SELECT, env_key=env_key(env), member_seed=seed, num_envs=num_streams(config.num_episodes)
        )
        for seed in members
    ]
    with single_thread():
        records = evaluate(
            spec=spec,
            members=list(members.values()),
            env=env,
            spaces=spaces,
            seeds=seeds,
            num_episodes=config.num_episodes,
            deterministic=config.deterministic,
            sampling_seeds=list(members),
        )
    return dict(zip(members, records, strict=True))


def first_episodes(
    env: EnvConfig,
    contenders: Sequence[tuple[PolicySpec, Mapping[str, np.ndarray]]],
    *,
    seeds: Sequence[int],
    deterministic: bool,
) -> list[EpisodeRecords]:
    """Run each contender for one episode of each stream, on the same streams.

    Only the first episode of a stream starts alike for different policies, so only first episodes are pairs.

    Args:
        env: the environment.
        contenders: spec and tensors of each policy; their networks may differ.
        seeds: of the streams, one for each episode.
        deterministic: take the most likely action instead of a sampled one.

    Returns:
        The episodes of each contender, in the order of the seeds.

    Raises:
        EnvironmentFault: the pool failed, an episode never ended, or a return is not finite.
    """
    spaces = describe_env(env)
    with single_thread():
        return [
            evaluate(
                spec=spec,
                members=[tensors],
                env=env,
                spaces=spaces,
                seeds=[list(seeds)],
                num_episodes=len(seeds),
                deterministic=deterministic,
                sampling_seeds=[0],
            )[0]
            for spec, tensors in contenders
        ]

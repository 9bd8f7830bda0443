"""The two trials of a trained policy: selection episodes, which rank it, and gate episodes, which decide."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from rl_assets.config.environment import EnvConfig, env_key
from rl_assets.config.evaluation import EvaluationConfig
from rl_assets.rl.envs.catalogue import describe_env
from rl_assets.rl.envs.spaces import EnvSpaces
from rl_assets.rl.evaluation import EpisodeRecords, evaluate, num_streams
from rl_assets.rl.policy import PolicySpec
from rl_assets.rl.population import single_thread
from rl_assets.rl.seeding import Purpose, env_seeds
from rl_assets.rl.watchdog import watched


def selection_episodes(
    *,
    env: EnvConfig,
    spaces: EnvSpaces,
    spec: PolicySpec,
    members: Sequence[tuple[int, Mapping[str, np.ndarray]]],
    config: EvaluationConfig,
    env_threads: int = 1,
    on_step: Callable[[], None] | None = None,
) -> list[EpisodeRecords]:
    """Run members that share a spec on selection episodes, all in one pool.

    Args:
        env: the environment.
        spaces: its spaces.
        spec: what the policies have in common.
        members: training seed and tensors of each; members of several recipes may share a seed, and meet equal starts.
        config: how many episodes, whether actions are sampled, and which metrics.
        env_threads: on which the environments are stepped; changes no result.
        on_step: called after every step of the environments: a sign of life.

    Returns:
        The episodes of each member, in order, each with those of the other mode where both are asked for.

    Raises:
        EnvironmentFault: the pool failed, an episode never ended, or a return is not finite.
        MetricFault: a metric failed, or gave something else than a finite number.
    """

    def play(*, deterministic: bool) -> list[EpisodeRecords]:
        return evaluate(
            spec=spec,
            members=[tensors for _, tensors in members],
            env=env,
            spaces=spaces,
            seeds=[selection_seeds(env, member_seed=seed, num_episodes=config.num_episodes) for seed, _ in members],
            num_episodes=config.num_episodes,
            deterministic=deterministic,
            sampling_seeds=[seed for seed, _ in members],
            metrics=config.metrics,
            env_threads=env_threads,
            on_step=on_step,
        )

    with single_thread():
        records = play(deterministic=config.deterministic)
        if not config.both_modes:
            return records
        others = play(deterministic=not config.deterministic)
        return [replace(own, other_mode=other) for own, other in zip(records, others, strict=True)]


def selection_seeds(env: EnvConfig, *, member_seed: int, num_episodes: int) -> list[int]:
    """Seeds of the streams in which a member's selection episodes run, equal for equal member seeds of all recipes."""
    return env_seeds(
        purpose=Purpose.SELECT, env_key=env_key(env), member_seed=member_seed, num_envs=num_streams(num_episodes)
    )


def first_episodes(
    env: EnvConfig,
    contenders: Sequence[tuple[PolicySpec, Mapping[str, np.ndarray]]],
    *,
    seeds: Sequence[int],
    deterministic: bool,
    metrics: Sequence[str] = (),
) -> list[EpisodeRecords]:
    """Run each contender for one episode of each stream, on the same streams.

    Only the first episode of a stream starts alike for different policies, so only first episodes are pairs.

    Args:
        env: the environment.
        contenders: spec and tensors of each policy; their networks may differ.
        seeds: of the streams, one for each episode.
        deterministic: take the most likely action instead of a sampled one.
        metrics: names of further numbers to compute of each episode.

    Returns:
        The episodes of each contender, in the order of the seeds.

    Raises:
        EnvironmentFault: the pool failed or hangs, an episode never ended, or a return is not finite.
        MetricFault: a metric failed, or gave something else than a finite number.
        InvalidConfig: there is no such metric.
    """
    spaces = describe_env(env)

    def play(beat: Callable[[], None]) -> list[EpisodeRecords]:
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
                    metrics=metrics,
                    on_step=beat,
                )[0]
                for spec, tensors in contenders
            ]

    return watched(play, what=f"playing {len(seeds)} episodes of '{env.id}'")

"""Experience of a population's own: it acts in environments and learns from what happened since it learned last."""

from collections.abc import Callable, Sequence

import numpy as np

from rl_assets.config.environment import EnvConfig, env_key
from rl_assets.config.ppo import PPOConfig
from rl_assets.rl.algorithms.ppo import METRICS
from rl_assets.rl.envs.pool import EnvironmentPool
from rl_assets.rl.envs.spaces import EnvSpaces
from rl_assets.rl.experience import Gathered
from rl_assets.rl.guardrails import LEVELS, action_bounds, rollout_levels
from rl_assets.rl.learner import make_learner
from rl_assets.rl.policy import PolicyStack
from rl_assets.rl.rollout import Actors, Rollout
from rl_assets.rl.seeding import Purpose, env_seeds, member_stream
from rl_assets.rl.trainee import Trainee
from rl_assets.rl.watches import Row


class Interaction:
    """Rollouts in a pool of everybody's environments; the pool is built anew for each segment.

    Args:
        env: the environment.
        spaces: its spaces.
        policies: the population.
        trainees: its members, in the same order.
        configs: hyper-parameters of each.
        env_threads: on which the environments are stepped; changes no result.
        on_step: called after every step of the environments.
    """

    metrics = METRICS

    def __init__(
        self,
        env: EnvConfig,
        spaces: EnvSpaces,
        policies: PolicyStack,
        trainees: Sequence[Trainee],
        *,
        configs: Sequence[PPOConfig],
        env_threads: int,
        on_step: Callable[[], None] | None,
    ) -> None:
        self._env, self._spaces, self._policies, self._trainees = env, spaces, policies, trainees
        self._config = configs[0]
        self._env_threads, self._on_step = env_threads, on_step
        self._action_bounds = action_bounds(spaces.actions, squashes=self._config.squash_actions)
        self.learner = make_learner(policies, configs=configs, seeds=[trainee.member.seed for trainee in trainees])
        self._rollout = Rollout.empty(
            policies,
            num_steps=self._config.num_steps,
            num_envs=self._config.num_envs,
            has_masks=spaces.mask is not None,
        )
        self._pool: EnvironmentPool | None = None

    def start_segment(self, segment: int) -> None:
        """Build the pool with fresh seeds, and forget the episodes under way."""
        self.close()
        key, num_envs = env_key(self._env), self._config.num_envs
        seeds = [
            seed
            for trainee in self._trainees
            for seed in env_seeds(
                purpose=Purpose.TRAIN,
                env_key=key,
                member_seed=trainee.member.seed,
                segment=segment,
                num_envs=num_envs,
            )
        ]
        self._pool = EnvironmentPool(
            self._env, spaces=self._spaces, seeds=seeds, num_threads=self._env_threads, on_step=self._on_step
        )
        self._actors = Actors(self._pool, self._policies)
        for trainee in self._trainees:
            trainee.scaler = trainee.scaler.restarted()

    def gather(self, update: int) -> Gathered:
        """Collect one rollout."""
        rollout = self._rollout
        episodes = self._actors.collect_rollout(rollout, self._draw_noise(update))
        levels = rollout_levels(rollout, self._action_bounds).tolist()
        return Gathered(
            quantities={
                "an observation": rollout.raw_observations.swapaxes(0, 1),
                "a reward": rollout.rewards.swapaxes(0, 1),
                "a log probability": rollout.log_probs.swapaxes(0, 1),
                "a value": rollout.values.swapaxes(0, 1),
            },
            levels=[dict(zip(LEVELS, own, strict=True)) for own in levels],
            episodes=episodes,
            env_steps=[int(rollout.valid[:, index].sum()) for index in range(len(self._trainees))],
        )

    def learn(self, update: int, learning_rates: Sequence[float]) -> np.ndarray:
        """Learn from the rollout."""
        return self.learner.update(self._rollout, self._scale_rewards(), counter=update, learning_rates=learning_rates)

    def settle(self, update: int) -> Sequence[Row]:  # noqa: ARG002
        """Learn from what was seen; the next rollout is scaled by it, so acting and learning agree within each."""
        for index, trainee in self._training() if self._policies.spec.normalizes_observations else ():
            seen = self._rollout.raw_observations[:-1, index][self._rollout.valid[:, index]]
            trainee.moments = trainee.moments.updated(seen)
            self._policies.scaler.set_member(index, mean=trainee.moments.mean, scale=trainee.moments.scale)
        return [{} for _ in self._trainees]

    def close(self) -> None:
        """Release the environments."""
        if self._pool is not None:
            self._pool.close()
            self._pool = None

    def _training(self) -> list[tuple[int, Trainee]]:
        return [(index, trainee) for index, trainee in enumerate(self._trainees) if trainee.trains]

    def _draw_noise(self, update: int) -> np.ndarray:
        config, distribution = self._config, self._policies.distribution
        streams = [
            member_stream(member_seed=trainee.member.seed, role="actions", counter=update) for trainee in self._trainees
        ]
        return np.stack(
            [distribution.draw_noise(stream, (config.num_steps, config.num_envs)) for stream in streams], axis=1
        )

    def _scale_rewards(self) -> np.ndarray:
        rollout = self._rollout
        if not self._config.normalize_rewards:
            return rollout.rewards
        scaled = np.zeros_like(rollout.rewards)
        for index, trainee in self._training():
            scaled[:, index] = trainee.scale_rewards(
                rollout.rewards[:, index],
                ended=rollout.terminated[:, index] | rollout.truncated[:, index],
                valid=rollout.valid[:, index],
            )
        return scaled

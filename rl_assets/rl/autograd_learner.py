"""What all algorithms share that learn by torch's own gradients: the parameters, the optimizer, and how both rest."""

from collections.abc import Mapping, Sequence

import numpy as np

from rl_assets.rl.actor_critics import AutogradActorCritics
from rl_assets.rl.optimizer import PopulationAdam


class AutogradLearner:
    """A population's parameters and their optimizer.

    Args:
        actor_critics: the population; learning changes its parameters in place.
        adam_epsilon: Adam's denominator term of each member.
    """

    def __init__(self, actor_critics: AutogradActorCritics, *, adam_epsilon: Sequence[float]) -> None:
        network = actor_critics.network
        self._actor_critics = actor_critics
        self.optimizer = PopulationAdam(
            network.by_member, network.grad.view_as(network.by_member), epsilon=adam_epsilon
        )

    def silence(self, index: int) -> None:
        """Let a member rest for good: its parameters become 0, and it computes on harmlessly beside the others."""
        self.optimizer.silence(index)

    def optimizer_state(self, index: int) -> dict[str, np.ndarray]:
        """Copy out one member's steps and moments."""
        state = {"steps": np.array(self.optimizer.steps[index], np.int64)}
        for name, moments in (("exp_avg", self.optimizer.exp_avg), ("exp_avg_sq", self.optimizer.exp_avg_sq)):
            own = self._actor_critics.network.read(index, flat=moments)
            state |= {f"{name}.{parameter}": array for parameter, array in own.items()}
        return state

    def restore_optimizer(self, index: int, state: Mapping[str, np.ndarray]) -> None:
        """Take up one member's steps and moments where `optimizer_state` left them."""
        self.optimizer.steps[index] = int(state["steps"])
        for name, moments in (("exp_avg", self.optimizer.exp_avg), ("exp_avg_sq", self.optimizer.exp_avg_sq)):
            self._actor_critics.network.write(index, without_prefix(state, f"{name}."), flat=moments)

    def parameters(self) -> np.ndarray:
        """`[members, size]` float32 view of everything that learns."""
        return self._actor_critics.network.by_member.detach().numpy()


def without_prefix(named: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    """The arrays whose names begin so, under the rest of their names."""
    return {name.removeprefix(prefix): array for name, array in named.items() if name.startswith(prefix)}

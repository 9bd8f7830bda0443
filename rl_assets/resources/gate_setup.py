"""The gates of one environment as its sweep sets them, with what they need to know of the two policies."""

from typing import cast

from rl_assets.config.environment import EnvConfig
from rl_assets.config.evaluation import GatesConfig, NonInferiorityConfig, number_of
from rl_assets.config.plugins import GATES, find_plugin, plugin_names
from rl_assets.errors import InvalidConfig
from rl_assets.resources.event_log import Event, EventLog
from rl_assets.resources.inputs import Input
from rl_assets.rl.envs.catalogue import describe_env
from rl_assets.rl.policy import NORMALIZER_MEAN, NORMALIZER_SCALE
from rl_assets.statistics.gate_rules import BUILT_IN_GATES, BUILT_IN_METRICS, Gate, GateRules, Limits
from rl_assets.store.artifacts import Artifact
from rl_assets.store.bundles import load_member

Member = tuple[Artifact, int]
"""A trained policy and the seed of one of its members."""


def rules_for(
    gates: GatesConfig, *, env: EnvConfig, env_key: str, candidate: Member, champion: Member | None
) -> GateRules:
    """What a candidate must show, as numbers.

    Args:
        gates: as the sweep sets them.
        env: the environment.
        env_key: its key.
        candidate: who asks.
        champion: the policy that the reigning champion was copied from; None where nothing reigns.

    Raises:
        InvalidConfig: an installed gate that the sweep names is not there any more.
    """
    floor = gates.floor_of(env_key)
    stability = gates.stability
    return GateRules(
        env=env_key,
        floor=describe_env(env).reward_threshold if floor is None else floor,
        metrics={
            name: Limits(floor=number_of(limits.floor, env_key), ceiling=number_of(limits.ceiling, env_key))
            for name, limits in gates.metrics.items()
        },
        least_return=None if stability is None else number_of(stability.least_return, env_key),
        max_share=0.05 if stability is None else stability.max_share,
        asks_for_improvement=gates.beats_champion,
        margin=_margin(gates.non_inferiority, env_key, candidate=candidate, champion=champion),
        plugins={name: (load_gate(name), settings) for name, settings in gates.plugins.items()},
    )


def champions_policy(champion: Input | None, *, log: EventLog) -> tuple[Event, int] | None:
    """The policy that a champion was copied from, and the member; None where nothing reigns.

    Raises:
        InputNotFound: the log has lost it.
    """
    if champion is None:
        return None
    facts = champion.artifact.facts
    cell = f"{champion.event.partition}|{facts['hparam']}"
    return log.at_input(champion.event, "trained_policies", cell), int(facts["member_seed"])


def _margin(config: NonInferiorityConfig | None, env_key: str, *, candidate: Member, champion: Member | None) -> float:
    """How much worse the candidate may be: nothing, unless it saves enough of what the champion cost."""
    if config is None or champion is None:
        return 0.0
    is_cheap = _cost(candidate, config.cost) <= (1 - config.min_saving) * _cost(champion, config.cost)
    return (number_of(config.margin, env_key) or 0.0) if is_cheap else 0.0


def _cost(member: Member, unit: str) -> int:
    policy, seed = member
    if unit == "env_steps":
        return int(policy.facts["members"][str(seed)]["env_steps"])
    tensors = load_member(policy, seed)
    return sum(array.size for name, array in tensors.items() if name not in {NORMALIZER_MEAN, NORMALIZER_SCALE})


def load_gate(name: str) -> Gate:
    """The installed gate of a name.

    Raises:
        InvalidConfig: there is none, there are several, or it cannot be loaded or called.
    """
    plugin = find_plugin(GATES, name, what="gate", built_in=BUILT_IN_GATES)
    if plugin is None:
        raise InvalidConfig(
            f"gate '{name}' is not installed: expected one of {', '.join(plugin_names(GATES)) or '(none)'}; install "
            f"the package that brings it, which names it in its entry points '{GATES}'"
        )
    gate = plugin.load()
    if not callable(gate):
        raise InvalidConfig(f"{plugin.title} is no function: see rl_assets.statistics.gate_rules.Gate")
    return cast(Gate, gate)


def gate_providers(gates: GatesConfig) -> dict[str, str]:
    """Name -> package and version of the installed gates that a sweep names."""
    found = {name: find_plugin(GATES, name, what="gate") for name in gates.plugins}
    return {name: plugin.provider for name, plugin in found.items() if plugin is not None}


def metrics_to_play(gates: GatesConfig) -> tuple[str, ...]:
    """Metrics that the gates limit and that episodes have to be played with."""
    return tuple(sorted(name for name in gates.metrics if name not in BUILT_IN_METRICS))

"""Loading champions: the exact weights that each environment serves."""

from collections.abc import Collection
from typing import Any

import numpy as np

from rl_assets.api.installation import Installation
from rl_assets.api.queries import vacancy
from rl_assets.config.environment import EnvConfig
from rl_assets.errors import UnknownPartition
from rl_assets.resources.inputs import Inputs
from rl_assets.rl.policy import Policy, load_policy
from rl_assets.rl.seeding import Purpose, gate_seeds
from rl_assets.rl.trials import first_episodes
from rl_assets.store.artifacts import Artifact
from rl_assets.store.bundles import promoted_member
from rl_assets.store.history import ChampionHistory
from rl_assets.store.objects import ObjectStore


def load_champions(installation: Installation, envs: Collection[str] | None = None) -> dict[str, Policy]:
    """Load the champions of environments.

    Args:
        installation: where.
        envs: env keys; None: every environment that has one and was not vacated.

    Returns:
        Env key -> policy, whose `act(observations)` gives an action for each observation.

    Raises:
        UnknownPartition: nothing was promoted in an environment that is named, or it was vacated.
        ErasedData: the data of one of these champions was erased, and it was not rolled back yet; name the others.
        ObjectNotFound, CorruptObject: the bytes of one of these champions are not those that were promoted; name the
            others to load them alone.
    """
    return {
        env: load_policy(*promoted_member(_champion_artifact(installation, env)))
        for env in (_served(installation) if envs is None else envs)
    }


def audit_champion(installation: Installation, env: str, *, num_episodes: int = 100, audit: int = 0) -> dict[str, Any]:
    """Play held-out episodes that nothing has ever been decided on with the champion of an environment.

    Args:
        installation: where.
        env: env key.
        num_episodes: each the first of its own stream.
        audit: number of the audit; another number gives other episodes.

    Raises:
        UnknownPartition: nothing was promoted there yet, or it was vacated.
        ErasedData: the champion's data was erased, and it was not rolled back yet.
    """
    artifact = _champion_artifact(installation, env)
    seeds = gate_seeds(env_key=env, question=f"audit {audit}", num_envs=num_episodes, purpose=Purpose.AUDIT)
    config = EnvConfig.model_validate(artifact.facts["env"])
    records = first_episodes(config, [promoted_member(artifact)], seeds=seeds, deterministic=True)[0]
    return {"env": env, "num_episodes": num_episodes, "mean_return": float(np.mean(records.returns))}


def _served(installation: Installation) -> list[str]:
    """Environments in which something was promoted and that were not vacated."""
    store = ObjectStore(installation.home.store_url)
    envs = installation.log.latest_ids("promoted_models")
    return [env for env in envs if ChampionHistory(store, env).standing().vacated is None]


def _champion_artifact(installation: Installation, env: str) -> Artifact:
    vacated = ChampionHistory(ObjectStore(installation.home.store_url), env).standing().vacated
    if vacated is not None:
        raise vacancy(env, vacated)
    event = installation.log.latest("promoted_models", env)
    if event is None:
        raise UnknownPartition(f"no champion for env '{env}': run a sweep whose best policy passes its gates first")
    inputs = Inputs(log=installation.log, store=ObjectStore(installation.home.store_url))
    with inputs.for_output("serving", env) as scope:
        return scope.open(event).artifact

"""Look-ups that tests of promotions share."""

from typing import Any

import dagster as dg

from rl_assets import api
from rl_assets.api.drive import execute
from rl_assets.api.installation import Installation
from rl_assets.store.artifacts import Artifact, ArtifactRef, read_artifact
from rl_assets.store.history import ChampionHistory
from rl_assets.store.objects import ObjectStore

ENV = "CartPole-v1"
STAGED = {"floor": -1000.0, "num_episodes": 4, "promote_to": "staging"}


def history(installation: Installation) -> ChampionHistory:
    return ChampionHistory(ObjectStore(installation.home.store_url), ENV)


def titles(installation: Installation) -> list[str]:
    return [entry.title for entry in history(installation).transitions()]


def recipes(installation: Installation, env: str = ENV) -> list[str]:
    return sorted(
        cell.split("|")[1] for cell in installation.log.latest_ids("trained_policies") if cell.startswith(env)
    )


def other_recipe(installation: Installation) -> str:
    reigning = api.champion(installation, ENV)["hparam"]
    return next(hparam for hparam in recipes(installation) if hparam != reigning)


def served_weights(installation: Installation) -> str:
    """SHA-256 of what the graph's newest promoted model holds, by its bytes."""
    event = installation.log.latest("promoted_models", ENV)
    assert event is not None
    return artifact_of(installation, event.metadata["rl/artifact"]).checksum("policy.safetensors")


def artifact_of(installation: Installation, reference: Any) -> Artifact:
    return read_artifact(ObjectStore(installation.home.store_url), ArtifactRef.from_json(reference))


def ask_graph(installation: Installation, **config: Any) -> dg.ExecuteInProcessResult:
    """Materialize the champion with this configuration, as the UI's launchpad does."""
    return execute(
        installation,
        assets=[dg.AssetKey("promoted_models")],
        partition=ENV,
        run_config={"ops": {"promoted_models": {"config": config}}} if config else None,
    )

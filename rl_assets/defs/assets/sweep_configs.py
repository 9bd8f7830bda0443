"""Sweeps: what is asked for, validated and expanded into recipes."""

import dagster as dg

from rl_assets.config.canonical import canonical_json, config_hash
from rl_assets.config.recipe import Recipe
from rl_assets.config.sweep_plan import SweepPlan, plan_sweep
from rl_assets.datasets.register import ClientRegister
from rl_assets.defs.assets.datasets import publish_dataset
from rl_assets.defs.partitions import DATASETS, ENVS, HPARAMS, SWEEPS, add_keys
from rl_assets.resources.admission import admit_sweep
from rl_assets.resources.configured import ClientsResource, InputsResource, SweepsResource
from rl_assets.resources.demand import CELLS_KEY, cells_metadata
from rl_assets.resources.parent_admission import admit_parents
from rl_assets.resources.stages import GATES_KEY, gates_version

MAX_ROWS = 20


@dg.asset(
    partitions_def=SWEEPS,
    deps=[dg.AssetDep("datasets", partition_mapping=dg.AllPartitionMapping())],
    group_name="sweeps",
    owners=["team:rl"],
    kinds={"yaml"},
    description=(
        "A sweep: envs x recipes x seeds, from a file in `sweeps/` or `rlctl sweep -f`. Materializing it registers "
        "the env and "
        "hparam keys; the sensor `sweep_configured` then trains exactly what it asks for."
    ),
)
def sweep_configs(
    context: dg.AssetExecutionContext, inputs: InputsResource, clients: ClientsResource, sweeps: SweepsResource
) -> dg.MaterializeResult:
    """Validate the sweep against the real environments, expand it and register its keys."""
    register = clients.open()
    sweep = admit_sweep(sweeps.open().load(context.partition_key), register=register)
    generations = admit_parents(sweep, inputs=inputs.plain)
    declared = sweep.dataset
    dataset = declared if isinstance(declared, str) else register.add_dataset(**declared.model_dump())
    plan = plan_sweep(sweep, dataset=dataset, generations=generations)
    for key in plan.datasets:
        _materialize_dataset(context, key, inputs=inputs, register=register)
    with inputs.for_output("sweep_configs", plan.name) as scope:
        for key in plan.datasets:
            # A plan names datasets and holds nothing of them: each policy reads its own, and no other's owner.
            scope.read("datasets", key, is_evidence=True)
        publication = scope.publish(
            kind="sweep_config",
            files={"plan.json": canonical_json(plan.model_dump(mode="json"))},
            facts={"sweep": plan.name},
            config_hash=config_hash(plan),
            metadata=_describe(plan),
        )
    add_keys(context.instance, ENVS, list(plan.envs))
    add_keys(context.instance, HPARAMS, list(plan.recipes))
    return publication.as_result()


def _materialize_dataset(
    context: dg.AssetExecutionContext, key: str, *, inputs: InputsResource, register: ClientRegister
) -> None:
    """Publish a dataset of the register if nobody did so before."""
    if inputs.log.latest("datasets", key) is None:
        add_keys(context.instance, DATASETS, [key])
        with inputs.for_output("datasets", key) as scope:
            context.log_event(publish_dataset(scope, register=register).as_event(DATASETS))


def _describe(plan: SweepPlan) -> dict[str, object]:
    recipes = list(plan.recipes.items())[:MAX_ROWS]
    has_parents = any(recipe.init_from is not None for _, recipe in recipes)
    rows = [
        dg.TableRecord({"hparam": key} | ({"init_from": _parent(recipe)} if has_parents else {}) | _highlights(recipe))
        for key, recipe in recipes
    ]
    return {
        "envs": ", ".join(plan.envs),
        "num_envs": len(plan.envs),
        "num_recipes": len(plan.recipes),
        "num_partitions": len(plan.envs) * len(plan.recipes),
        "num_members": plan.num_members,
        "seeds": ", ".join(map(str, plan.seeds)),
        **({"num_levels": plan.num_levels} if plan.num_levels > 1 else {}),
        "total_steps": sum(recipe.total_timesteps for recipe in plan.recipes.values())
        * len(plan.envs)
        * len(plan.seeds),
        "recipes": dg.MetadataValue.table(rows),
        CELLS_KEY: dg.MetadataValue.json(cells_metadata(plan.envs, plan.recipes, plan.parents)),
        GATES_KEY: gates_version(plan.gates, is_deterministic=plan.evaluation.deterministic),
    }


def _highlights(recipe: Recipe) -> dict[str, str | float]:
    return {
        "learning_rate": recipe.algorithm.learning_rate,
        "total_timesteps": recipe.total_timesteps,
        "samples_per_update": recipe.algorithm.samples_per_update,
        "hidden_sizes": "x".join(map(str, recipe.network.hidden_sizes)),
    }


def _parent(recipe: Recipe) -> str:
    """What a recipe starts from, as a person would name it."""
    parent = recipe.init_from
    if parent is None:
        return "fresh weights"
    where = "" if parent.env is None else f" of {parent.env}"
    return (parent.word if parent.is_champion else parent.hparam) + where

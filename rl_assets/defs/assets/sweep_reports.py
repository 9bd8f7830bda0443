"""Sweep reports: one page that tells how a sweep went."""

import json
from collections.abc import Mapping
from typing import Any

import dagster as dg

from rl_assets.config.keys import short_hash
from rl_assets.defs.partitions import SWEEPS, cell_key
from rl_assets.errors import UnknownPartition
from rl_assets.reports.summary_cards import GateMeans
from rl_assets.reports.sweep_report import SweepReport, sweep_report
from rl_assets.resources.cells import read_plan
from rl_assets.resources.configured import InputsResource, PagesResource
from rl_assets.resources.demand import read_demand
from rl_assets.resources.inputs import OutputScope
from rl_assets.statistics.gates import GateDecision
from rl_assets.statistics.ranking import LeaderboardRow
from rl_assets.store.bundles import load_history, member_seeds


@dg.asset(
    partitions_def=SWEEPS,
    deps=[
        dg.AssetDep("sweep_configs"),
        dg.AssetDep("gate_evaluations", partition_mapping=dg.AllPartitionMapping()),
    ],
    group_name="sweeps",
    owners=["team:rl"],
    kinds={"plotly"},
    description=(
        "One self-contained HTML page for a sweep: leaderboards with intervals, learning curves, speed, gate decisions."
    ),
)
def sweep_reports(
    context: dg.AssetExecutionContext, inputs: InputsResource, pages: PagesResource
) -> dg.MaterializeResult:
    """Gather what the sweep led to and render it."""
    sweep = context.partition_key
    with inputs.for_output("sweep_reports", sweep) as scope:
        report = gather_report(scope, sweep=sweep, inputs=inputs)
        page = sweep_report(report)
        publication = scope.publish(
            kind="sweep_report",
            files={"report.html": page},
            facts={"sweep": sweep},
            config_hash=short_hash(sweep),
            metadata={
                "num_recipes": len(report.plan.recipes),
                "num_envs": len(report.plan.envs),
                "champions": ", ".join(f"{env}: {entry['hparam']}" for env, entry in report.champions.items() if entry)
                or "none",
                "page": dg.MetadataValue.path(str(pages.write(f"sweep-{sweep}.html", page))),
            },
        )
    return publication.as_result()


def gather_report(scope: OutputScope, *, sweep: str, inputs: InputsResource) -> SweepReport:
    """Read everything that the report of a sweep shows; an env without evaluations is left empty."""
    event = read_demand(inputs.log).sweeps.get(sweep)
    if event is None:
        raise UnknownPartition(f"sweep '{sweep}' was never materialized: materialize sweep_configs['{sweep}'] first")
    plan = read_plan(scope, event)
    boards: dict[str, list[LeaderboardRow]] = {}
    decisions: dict[str, list[GateDecision]] = {}
    champions: dict[str, dict[str, Any] | None] = {}
    gate_means: dict[str, GateMeans | None] = {}
    curves: dict[str, dict[str, list[Any]]] = {}
    speeds: dict[str, dict[str, float | None]] = {}
    for env in plan.envs:
        boards[env] = _read_board(scope, env)
        gate = scope.find("gate_evaluations", env)
        verdict = {} if gate is None else scope.open(gate).artifact.facts
        decisions[env] = [GateDecision.from_json(item) for item in verdict.get("decisions", ())]
        is_vacated = inputs.champions(env).standing().vacated is not None
        champion = None if is_vacated else scope.find("promoted_models", env)
        champions[env] = (
            None
            if champion is None
            else dict(scope.open(champion).artifact.facts) | {"generation": champion.metadata["generation"]}
        )
        is_promoted = gate is not None and (champions[env] or {}).get("verdict") == gate.data_version
        gate_means[env] = _gate_means(verdict.get("mean_returns", {}), is_promoted=is_promoted)
        curves[env], speeds[env] = {}, {}
        for hparam in plan.recipes:
            trained = scope.find("trained_policies", cell_key(env, hparam))
            if trained is not None:
                policy = scope.open(trained).artifact
                curves[env][hparam] = [load_history(policy, seed) for seed in member_seeds(policy)]
                speeds[env][hparam] = trained.metadata.get("steps_per_s")
    first = next(iter(plan.recipes.values()))
    dataset = scope.read("datasets", first.dataset)
    return SweepReport(
        sweep=sweep,
        plan=plan,
        leaderboards=boards,
        curves=curves,
        speeds=speeds,
        decisions=decisions,
        champions=champions,
        gate_means=gate_means,
        lineage={
            "sweep": f"{sweep} (event {event.event_id}, data version {event.data_version[:12]})",
            "dataset": f"{first.dataset} (event {dataset.event.event_id}, data version "
            f"{dataset.event.data_version[:12]})",
            "commit": str(event.metadata.get("rl/commit")),
        },
    )


def _gate_means(means: Mapping[str, float], *, is_promoted: bool) -> GateMeans | None:
    if "candidate_mean_return" not in means:
        return None
    return GateMeans(
        candidate=means["candidate_mean_return"], champion=means.get("champion_mean_return"), is_promoted=is_promoted
    )


def _read_board(scope: OutputScope, env: str) -> list[LeaderboardRow]:
    event = scope.find("eval_leaderboards", env)
    if event is None:
        return []
    rows = json.loads(scope.open(event).artifact.read("leaderboard.json"))
    return [LeaderboardRow.from_json(row) for row in rows]

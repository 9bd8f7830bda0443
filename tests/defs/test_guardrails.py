"""What guardrails did is on the failure and on the materialization."""

import dagster as dg

from rl_assets import api
from rl_assets.api.installation import Installation
from rl_assets.resources.inputs import Inputs
from rl_assets.store.objects import ObjectStore
from tests.defs.tiny_sweeps import tiny_sweep


def failures_in(installation: Installation) -> list[dict]:
    """Metadata of all failed steps."""
    found = []
    for run in installation.instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE])):
        for entry in installation.instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE):
            data = entry.get_dagster_event().step_failure_data.user_failure_data
            if data is not None:
                found.append({name: value.value for name, value in data.metadata.items()})
    return found


def test_what_a_guardrail_stopped_is_on_the_failure_member_by_member(installation: Installation) -> None:
    outcome = api.run_sweep(installation, tiny_sweep(max_wall_time_s=1e-9))
    (metadata,) = failures_in(installation)
    assert set(metadata["failed_partitions"]) == set(outcome.failed)
    assert all("give the sweep a larger max_wall_time_s" in why for why in metadata["failed_partitions"].values())
    stops = metadata["stopped_by_guardrails"]
    assert sorted((stop["partition"], stop["member_seed"]) for stop in stops) == sorted(
        (partition, seed) for partition in outcome.failed for seed in (0, 1)
    )
    for stop in stops:
        assert (stop["error"], stop["guardrail"], stop["update"]) == ("WallTimeExceeded", "max_wall_time_s", 0)
        assert stop["value"] > 1e-9
        assert (stop["quantity"], stop["expected"]) == ("the training time in s", "2 updates within 1e-09")


def test_members_that_reached_their_target_are_trained_and_the_materialization_says_where(
    installation: Installation,
) -> None:
    sweep = tiny_sweep(
        guardrails={"target_return": 5.0, "target_episodes": 3}, total_timesteps=2560, grid={"learning_rate": [1e-3]}
    )
    outcome = api.run_sweep(installation, sweep)
    assert outcome.is_complete
    (partition,) = outcome.finished
    event = installation.log.latest("trained_policies", partition)
    assert event is not None
    table = event.entries["early_stops"]
    assert isinstance(table, dg.TableMetadataValue)
    rows = {row.data["seed"]: row.data for row in table.records}
    assert set(rows) == {0, 1}
    assert event.metadata["num_early_stops"] == 2
    assert event.metadata["env_steps"] < 2 * 2560
    inputs = Inputs(log=installation.log, store=ObjectStore(installation.home.store_url))
    with inputs.for_output("reader", partition) as scope:
        members = scope.open(event).artifact.facts["members"]
    for seed, row in rows.items():
        stop = members[str(seed)]["early_stop"]
        assert {"seed": seed} | stop == row
        assert stop["mean_return"] >= stop["target_return"] == 5.0
        assert stop["env_steps"] == members[str(seed)]["env_steps"]

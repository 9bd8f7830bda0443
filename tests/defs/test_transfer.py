"""Policies that start from others: in order, from exact bytes, on record, and again only when those change."""

import dataclasses
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from rl_assets import api
from rl_assets.api.drive import drive, execute, reason_of
from rl_assets.api.installation import Installation
from rl_assets.api.sweeps import launch_sweep
from rl_assets.config.sweep import SweepConfig
from rl_assets.defs.assets import policy_runs
from rl_assets.defs.assets.cell_claims import CELLS_TAG
from rl_assets.errors import EnvironmentFault, StoreUnavailable
from rl_assets.resources.event_log import ARTIFACT_KEY, Event
from rl_assets.resources.parents import PARENTS_KEY
from rl_assets.rl.outcomes import MemberFailure, TrainedMember
from rl_assets.rl.training import train
from rl_assets.store.artifacts import Artifact, ArtifactRef, read_artifact
from rl_assets.store.bundles import policy_file
from rl_assets.store.objects import ObjectStore
from tests.defs.tiny_sweeps import ACME, GLOBEX, tiny_sweep
from tests.installations import another_installation

ENV = "CartPole-v1"
SMALL = {"num_envs": 4, "num_steps": 32, "hidden_sizes": [8]}


def chain(name: str = "chain", *, steps: int = 3, **changes: Any) -> SweepConfig:
    """One recipe, tuned further in each step."""
    sequence = [{"fixed": {"learning_rate": rate}} for rate in (1e-3, 3e-3, 5e-3)[:steps]]
    return tiny_sweep(name, **({"grid": {}, "fixed": SMALL, "sequence": sequence} | changes))


def cells_of(installation: Installation, sweep: str = "chain") -> list[str]:
    event = installation.log.latest("sweep_configs", sweep)
    assert event is not None
    return [f"{ENV}|{hparam}" for hparam in event.metadata["rl/cells"]["hparams"]]


def versions(installation: Installation) -> dict[str, str]:
    return installation.log.latest_versions("trained_policies")


def newest(installation: Installation, cell: str) -> Event:
    event = installation.log.latest("trained_policies", cell)
    assert event is not None
    return event


def artifact_of(installation: Installation, event: Event) -> Artifact:
    store = ObjectStore(installation.home.store_url)
    return read_artifact(store, ArtifactRef.from_json(event.metadata[ARTIFACT_KEY]))


def run_cells(installation: Installation, cells: list[str], **config: Any) -> dg.ExecuteInProcessResult:
    """One run of exactly these cells."""
    return execute(
        installation,
        assets=[policy_runs.TRAINED, policy_runs.EVALUATED],
        partition=None,
        tags={
            "dagster/asset_partition_range_start": cells[0],
            "dagster/asset_partition_range_end": cells[0],
            CELLS_TAG: json.dumps({ENV: [cell.split("|")[1] for cell in cells]}),
        },
        run_config={"ops": {"policies": {"config": config}}},
    )


def changed_weights(plan: Any, **settings: Any) -> Iterator[Any]:
    """Trainings whose weights come out a little otherwise."""
    for outcome in train(plan, **settings):
        members = [
            dataclasses.replace(
                member, tensors={name: array + 1e-3 for name, array in member.tensors.items()}, episodes=None
            )
            for member in outcome.members
            if isinstance(member, TrainedMember)
        ]
        yield dataclasses.replace(outcome, members=tuple(members))


def test_a_chain_trains_in_order_in_one_run_and_each_starts_from_the_bytes_before(installation: Installation) -> None:
    told: list[str] = []
    outcome = api.run_sweep(installation, chain(), on_event=told.append)
    assert outcome.is_complete
    assert (
        told[0] == "sweep 'chain' asks for 3 partitions, 6 trainings, in 3 levels that each start from the one before"
    )
    cells = cells_of(installation)
    events = [newest(installation, cell) for cell in cells]
    assert [event.event_id for event in events] == sorted(event.event_id for event in events)
    assert len({event.run_id for event in events}) == 1
    assert PARENTS_KEY not in events[0].metadata
    logged = [record.user_message for record in installation.instance.all_logs(events[0].run_id)]
    assert (
        "this run trains 3 levels, one after the other, each starting from the one before: 1 recipe, then 1 recipe, "
        "then 1 recipe"
    ) in logged
    plans = [text for text in logged if "plan for CartPole-v1: 2 members" in text]
    assert [text.split(":")[0] for text in plans] == ["level 1 of 3", "level 2 of 3", "level 3 of 3"]
    for parent, child in itertools.pairwise(events):
        read = [(item.partition, item.event_id, item.role) for item in child.inputs or ()]
        assert (parent.partition, parent.event_id, "data") in read
        bundle = artifact_of(installation, parent)
        for seed in (0, 1):
            origin = child.metadata[PARENTS_KEY][str(seed)]
            assert (origin["partition"], origin["data_version"]) == (parent.partition, parent.data_version)
            assert origin["weights_sha256"] == bundle.checksum(policy_file(seed))
            facts = artifact_of(installation, child).facts["members"][str(seed)]["parent"]
            assert facts == {"member_seed": seed, "weights_sha256": origin["weights_sha256"]}
    board = api.leaderboard(installation, ENV)
    assert {row["hparam"] for row in board["rows"]} == {cell.split("|")[1] for cell in cells}, "all are ranked"


def weights_of(installation: Installation) -> list[list[str]]:
    """Checksums of each member's weights, along the chain; owners have other pseudonyms in each installation."""
    bundles = [artifact_of(installation, newest(installation, cell)) for cell in cells_of(installation)]
    return [[bundle.checksum(policy_file(seed)) for seed in (0, 1)] for bundle in bundles]


def test_fanned_out_in_any_order_the_chain_ends_with_the_same_bytes(
    installation: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert api.run_sweep(installation, chain()).is_complete
    with another_installation(tmp_path / "fanned") as other:
        launch_sweep(other, chain())
        cells = cells_of(other)
        for cell in reversed(cells[1:]):
            result = run_cells(other, [cell])
            assert not result.success
            parent = cells[cells.index(cell) - 1]
            assert f"trained_policies[{cell}] starts from trained_policies[{parent}], which is not trained yet" in (
                reason_of(result)
            )
        assert versions(other) == {}
        monkeypatch.setattr("rl_assets.api.drive.SENSORS", ("parent_trained",))
        assert list(drive(other)) == [], "nothing has landed yet"
        assert run_cells(other, [cells[0]]).success
        results = list(drive(other))
        assert [result.success for result in results] == [True, True], [reason_of(result) for result in results]
        assert weights_of(other) == weights_of(installation)
        assert set(other.log.latest_ids("policy_evaluations")) == set(cells)


def test_what_starts_from_a_policy_that_failed_fails_by_name_and_nothing_else_is_lost(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = [
        {"grid": {"learning_rate": [1e-3, 3e-3]}},
        {"fixed": {"learning_rate": 5e-3}},
        {"fixed": {"discount": 0.9}},
    ]

    def lose_one(plan, **settings):
        for outcome in train(plan, **settings):
            failure = MemberFailure(seed=0, error=EnvironmentFault("injected: the pool died"))
            lost = "lr=0.003" in outcome.hparam
            yield dataclasses.replace(outcome, members=(failure,)) if lost else outcome

    with monkeypatch.context() as patched:
        patched.setattr(policy_runs, "train", lose_one)
        outcome = api.run_sweep(installation, chain(sequence=steps))
    cells = cells_of(installation)
    assert set(outcome.failed) == {cells[1], cells[3], cells[5]}
    assert set(versions(installation)) == {cells[0], cells[2], cells[4]}
    failed = next(iter(installation.instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]))))
    records = installation.instance.all_logs(failed.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    text = str(records)
    assert f"[{cells[3]}] starts from trained_policies[{cells[1]}], which did not finish in this run (injected" in text
    before = versions(installation)
    again = api.run_sweep(installation, chain(sequence=steps))
    assert again.is_complete
    assert again.num_reused == 6
    assert before.items() <= versions(installation).items()


def test_a_retrained_parent_keeps_its_children_unless_its_bytes_change(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert api.run_sweep(installation, chain()).is_complete
    cells, first = cells_of(installation), versions(installation)
    assert run_cells(installation, [cells[0]], retrain=True).success
    assert api.run_sweep(installation, chain()).num_reused == 6
    assert versions(installation) == first

    with monkeypatch.context() as patched:
        patched.setattr(policy_runs, "train", changed_weights)
        assert run_cells(installation, [cells[0]], retrain=True).success
    changed = versions(installation)
    assert changed[cells[0]] != first[cells[0]]
    list(drive(installation))
    assert [versions(installation)[cell] for cell in cells[1:]] == [first[cell] for cell in cells[1:]], (
        "nobody asked for the children to be trained again"
    )
    again = api.run_sweep(installation, chain())
    assert again.num_reused == 2
    last = versions(installation)
    assert last[cells[0]] == changed[cells[0]]
    assert all(last[cell] != first[cell] for cell in cells[1:])


def test_more_seeds_train_the_missing_members_of_the_whole_chain_only(installation: Installation) -> None:
    assert api.run_sweep(installation, chain()).is_complete
    outcome = api.run_sweep(installation, chain(seeds=3))
    assert (outcome.is_complete, outcome.num_reused) == (True, 6)
    origins = newest(installation, cells_of(installation)[2]).metadata[PARENTS_KEY]
    assert [origins[seed]["member_seed"] for seed in ("0", "1", "2")] == [0, 1, 2]


def test_a_champion_s_children_all_start_from_its_one_member_and_name_its_reign(installation: Installation) -> None:
    fixed = SMALL | {"normalize_observations": True}
    assert api.run_sweep(installation, chain(steps=2, fixed=fixed)).verdicts == {ENV: "pass"}
    champion = api.champion(installation, ENV)
    tuned = tiny_sweep("tuned", grid={}, fixed=fixed, init_from="champion")
    assert api.run_sweep(installation, tuned).is_complete
    (cell,) = cells_of(installation, "tuned")
    assert "-init=champion.1-" in cell
    child = newest(installation, cell)
    origins = child.metadata[PARENTS_KEY]
    assert {(item["asset"], item["member_seed"]) for item in origins.values()} == {
        ("promoted_models", champion["member_seed"])
    }
    assert len({item["weights_sha256"] for item in origins.values()}) == 1
    model = installation.log.latest("promoted_models", ENV)
    assert model is not None
    read = {(item.asset, item.event_id, item.role) for item in child.inputs or ()}
    assert ("promoted_models", model.event_id, "data") in read
    assert ("trained_policies", newest(installation, f"{ENV}|{champion['hparam']}").event_id, "data") in read, (
        "the statistics behind its normaliser stand there"
    )
    assert api.run_sweep(installation, tuned).num_reused == 2


def test_a_promoted_child_leads_back_through_the_whole_chain(installation: Installation) -> None:
    api.run_sweep(installation, chain())
    cells = cells_of(installation)
    api.promote(installation, ENV, cells[2].split("|")[1], reason="the last of the chain")
    steps = [(step["asset"], step["partition"]) for step in api.trace_champion(installation, ENV)]
    assert [partition for asset, partition in steps if asset == "trained_policies"] == cells[::-1]


def test_a_chain_over_two_clients_records_for_each_policy_whose_data_is_in_it(installation: Installation) -> None:
    own, others = (installation.register.add_dataset(**words) for words in (ACME, GLOBEX))
    steps = [{}, {"dataset": others}, {"dataset": own}]
    assert api.run_sweep(installation, chain(dataset=own, sequence=steps)).is_complete
    cells = cells_of(installation)
    pseudonyms = [frozenset({own.partition(".")[0]}), frozenset({own.partition(".")[0], others.partition(".")[0]})]
    owners = [artifact_of(installation, newest(installation, cell)).owners for cell in cells]
    assert owners == [pseudonyms[0], pseudonyms[1], pseudonyms[1]]
    for client, mine in ((ACME, cells), (GLOBEX, cells[1:])):
        answer = api.client_lineage(installation, client["client_id"])
        policies = {item["partition"] for item in answer["materializations"] if item["asset"] == "trained_policies"}
        assert policies == set(mine)
        assert answer["possibly_affected"] == []


def test_a_policy_of_another_env_with_the_same_spaces_may_be_the_parent(installation: Installation) -> None:
    assert api.run_sweep(installation, tiny_sweep(grid={}, fixed=SMALL)).is_complete
    hparam = cells_of(installation, "tiny")[0].split("|")[1]
    shorter = {"id": ENV, "options": {"max_episode_steps": 50}}
    moved = tiny_sweep("moved", envs=[shorter], grid={}, fixed=SMALL, init_from={"hparam": hparam, "env": ENV})
    assert api.run_sweep(installation, moved).is_complete
    event = installation.log.latest("sweep_configs", "moved")
    assert event is not None
    (env,) = event.metadata["rl/cells"]["envs"]
    child = newest(installation, f"{env}|{event.metadata['rl/cells']['hparams'][0]}")
    assert child.metadata[PARENTS_KEY]["0"]["partition"] == f"{ENV}|{hparam}"


def test_a_parent_that_lands_and_does_not_fit_is_refused_when_the_training_starts(installation: Installation) -> None:
    launch_sweep(installation, tiny_sweep(grid={}, fixed=SMALL))
    (parent,) = cells_of(installation, "tiny")
    wider = tiny_sweep("wider", grid={}, fixed=SMALL | {"hidden_sizes": [16]}, init_from=parent.split("|")[1])
    launch_sweep(installation, wider)
    (child,) = cells_of(installation, "wider")
    assert run_cells(installation, [parent]).success
    result = run_cells(installation, [child])
    assert not result.success
    told = f"trained_policies[{child}] cannot start from trained_policies[{parent}]: expected network.hidden_sizes [16]"
    assert f"{told}, got [8]" in reason_of(result)


def test_a_run_that_was_interrupted_in_the_middle_of_a_chain_goes_on_to_the_same_bytes(
    installation: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"total_timesteps": 512, "segment_steps": 128}
    with another_installation(tmp_path / "whole") as whole:
        assert api.run_sweep(whole, chain(**settings)).is_complete
        expected = weights_of(whole)

    def die_in_the_second_step(plan, **train_settings):
        checkpoints = train_settings["checkpoints"]
        is_second = "init=" in plan.members[0].hparam

        def die(now):
            if is_second and checkpoints.load(plan.members[0]) is not None:
                raise StoreUnavailable("injected: the disk is gone")

        yield from train(plan, **(train_settings | {"on_progress": die}))

    event = launch_sweep(installation, chain(**settings))
    cells = [f"{ENV}|{hparam}" for hparam in event.metadata["rl/cells"]["hparams"]]
    with monkeypatch.context() as patched:
        patched.setattr(policy_runs, "train", die_in_the_second_step)
        assert not run_cells(installation, cells).success
    assert set(versions(installation)) == {cells[0]}
    assert run_cells(installation, cells).success
    resumed = newest(installation, cells[1]).metadata["plan"]
    assert "go on from a checkpoint" in resumed
    assert weights_of(installation) == expected

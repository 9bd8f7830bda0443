"""A sweep in a process of its own is stopped in every way there is, and goes on: nothing is trained twice."""

import json
import os
import signal
from pathlib import Path

import dagster as dg
import pytest

from tests.faults.processes import Place, children_of, make_place, wait_for, write_sweep

GONE_WITHIN_S = 30.0
FIXED = {"num_envs": 16, "num_steps": 64}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return make_place(tmp_path / "installation")


def end(place: Place, process, way: str) -> None:
    """End a sweep in one of the ways."""
    if way == "stop":
        code, out, err = place.run("stop", "--json")
        assert code == 0, err
        assert json.loads(out)["status"] == "canceled"
    else:
        process.send_signal(getattr(signal, way))


@pytest.mark.parametrize(
    ("way", "again"),
    [
        ("stop", "resume"),
        pytest.param("SIGINT", "resume", marks=pytest.mark.slow),
        pytest.param("SIGTERM", "sweep", marks=pytest.mark.slow),
        pytest.param("SIGKILL", "resume", marks=pytest.mark.slow),
        pytest.param("SIGKILL", "sweep", marks=pytest.mark.slow),
    ],
)
def test_a_sweep_that_ends_early_keeps_what_is_done_and_does_only_the_rest(
    place: Place, tmp_path: Path, way: str, again: str
) -> None:
    file = write_sweep(tmp_path, rates=2, slow_sizes=(128, 128), fixed=FIXED, total_timesteps=300_000)
    process = place.start("sweep", "-f", file)
    wait_for(lambda: len(place.made("trained_policies")) >= 2 or process.poll() is not None)
    workers = children_of(process.pid)
    run = place.training_run()
    assert run is not None
    assert workers
    end(place, process, way)
    _, err = process.communicate(timeout=GONE_WITHIN_S)
    assert process.returncode == (-signal.SIGKILL if way == "SIGKILL" else 130), err
    wait_for(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in workers), seconds=GONE_WITHIN_S)
    kept = place.made("trained_policies")
    ended = place.training_run()
    assert ended is not None
    assert ended.status == (dg.DagsterRunStatus.STARTED if way == "SIGKILL" else dg.DagsterRunStatus.CANCELED)
    assert place.progress_files() == ([f"{run.run_id}.json"] if way == "SIGKILL" else [])
    assert 0 < len(kept) < 4, "it was ended while it trained"

    code, _, err = place.run("resume", run.run_id[:8]) if again == "resume" else place.run("sweep", "-f", file)
    assert code == 0, err
    made = place.made("trained_policies")
    assert made[: len(kept)] == kept, "what was done stays as it was"
    assert len(made) == len({partition for partition, _ in made}) == 4, "and nothing is trained twice"
    assert len({partition for partition, _ in place.made("policy_evaluations")}) == 4
    assert len(place.made("promoted_models")) == 1
    with place.instance() as instance:
        first = instance.get_run_by_id(run.run_id)
    assert first is not None
    assert first.is_finished


@pytest.mark.slow
def test_a_run_that_the_records_give_up_ends_by_itself(place: Place, tmp_path: Path) -> None:
    file = write_sweep(tmp_path, rates=1, slow_sizes=(256, 256), fixed=FIXED, total_timesteps=1_000_000)
    process = place.start("sweep", "-f", file)
    run = wait_for(place.training_run)
    workers = wait_for(lambda: children_of(process.pid))
    wait_for(place.progress_files)
    with place.instance() as instance:
        instance.report_run_failed(instance.get_run_by_id(run.run_id), "given up")
    wait_for(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in workers), seconds=GONE_WITHIN_S)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=GONE_WITHIN_S)


@pytest.mark.slow
def test_a_second_run_on_the_same_partition_is_refused_by_name(place: Place, tmp_path: Path) -> None:
    first_file = write_sweep(tmp_path, rates=1, slow_sizes=(256, 256), fixed=FIXED, total_timesteps=1_000_000)
    first = place.start("sweep", "-f", first_file)
    wait_for(place.progress_files)
    run = place.training_run()
    assert run is not None
    program = (
        "import sys\nfrom rl_assets import api\nfrom rl_assets.api.drive import execute, reason_of\n"
        "import dagster as dg\n"
        "with api.open_installation() as it:\n"
        "    parent = it.instance.get_run_by_id(sys.argv[1])\n"
        "    tags = {k: v for k, v in parent.tags.items() if k.startswith(('dagster/asset_partition', 'rl/cells'))}\n"
        "    result = execute(it, assets=[dg.AssetKey('trained_policies')], partition=None, tags=tags)\n"
        "    print(reason_of(result))\n"
    )
    code, out, err = place.run(run.run_id, program=program)
    assert code == 0, err
    assert f"is being trained by run {run.run_id}" in out
    assert f":{first.pid})" in out
    assert place.run("stop", run.run_id)[0] == 0
    first.communicate(timeout=GONE_WITHIN_S)

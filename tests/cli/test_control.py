"""`rlctl stop` and `rlctl resume`: what they list, what they refuse, and with which exit code."""

import json
from pathlib import Path
from typing import Any

import dagster as dg
import pytest


def add_run(tmp_path: Path, status: dg.DagsterRunStatus, **tags: str) -> str:
    """Put a run into the installation's instance."""
    with dg.DagsterInstance.from_config(str(tmp_path / "dagster")) as instance:
        run = dg.DagsterRun(job_name="__ASSET_JOB", status=status, tags={"rl/assets": "gate_evaluations", **tags})
        return instance.add_run(run).run_id


def test_stop_without_a_name_lists_what_runs_or_stops_the_only_run(rlctl: Any, tmp_path: Path) -> None:
    assert rlctl("stop")[:2] == (0, "nothing runs\n")
    one = add_run(tmp_path, dg.DagsterRunStatus.STARTED, **{"rl/env": "Pong-v5"})
    two = add_run(tmp_path, dg.DagsterRunStatus.STARTED, **{"rl/driver": "host:1"})
    code, out, _ = rlctl("stop")
    lines = out.splitlines()
    assert (code, len(lines)) == (0, 2)
    assert lines[0].startswith(f"{one}  started  gate_evaluations [Pong-v5], since 20")
    assert lines[1].endswith("host:1")
    listed = json.loads(rlctl("stop", "--json")[1])
    assert [(run["run_id"], run["executor"]) for run in listed] == [(one, "daemon"), (two, "host:1")]
    code, out, err = rlctl("stop", one[:12])
    assert (code, out) == (0, f"run {one} is canceled; go on with: rlctl resume {one[:8]}\n"), err
    code, _, err = rlctl("stop")
    assert code == 2, "the only one left belongs to another machine"
    assert "machine 'host'" in err


@pytest.mark.parametrize("command", ["stop", "resume"])
def test_a_run_that_is_not_there_or_has_ended_well_is_refused(rlctl: Any, tmp_path: Path, command: str) -> None:
    done = add_run(tmp_path, dg.DagsterRunStatus.SUCCESS)
    code, out, err = rlctl(command, "nowhere")
    assert (code, out) == (2, "")
    assert "no run 'nowhere'" in err
    code, out, err = rlctl(command, done)
    assert (code, out) == (2, "")
    assert done[:8] in err

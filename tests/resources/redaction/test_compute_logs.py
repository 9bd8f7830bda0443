"""What was written to standard output and error goes, and pages that show it find a neutral line."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.storage.compute_log_manager import ComputeIOType

from rl_assets.resources.redaction.compute_logs import CapturedLogs
from rl_assets.resources.redaction.report import Counts
from tests.conftest import QUIET


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(tmp_path), overrides=QUIET) as instance:
        yield instance


def write(instance: dg.DagsterInstance, log_key: list[str], text: str) -> None:
    with instance.compute_log_manager.open_log_stream(log_key, ComputeIOType.STDERR) as stream:
        assert stream is not None
        stream.write(text)


def shown(instance: dg.DagsterInstance, log_key: list[str]) -> bytes | None:
    return instance.compute_log_manager.get_log_data(log_key).stderr


def test_the_logs_of_one_run_go_and_those_of_the_next_stay(instance: dg.DagsterInstance) -> None:
    counts = Counts()
    for run in ("a", "b"):
        write(instance, [run, "compute_logs", "step"], f"of {run}\n")
    CapturedLogs(instance).remove("a", counts)
    assert shown(instance, ["a", "compute_logs", "step"]) is None
    assert shown(instance, ["b", "compute_logs", "step"]) == b"of b\n"
    assert counts.deleted == {"compute logs": 1}


def test_a_log_that_may_not_stay_becomes_a_neutral_line_once(instance: dg.DagsterInstance) -> None:
    counts = Counts()
    write(instance, ["a", "compute_logs", "bad"], "of acme\n")
    write(instance, ["a", "compute_logs", "good"], "of globex\n")
    write(instance, ["a", "compute_logs", "empty"], "")
    for _ in range(2):
        CapturedLogs(instance).neutralize("a", lambda text: "acme" in text, counts)
    assert [shown(instance, ["a", "compute_logs", name]) for name in ("bad", "good", "empty")] == [
        b"Erased.\n", b"of globex\n", b"",
    ]  # fmt: skip
    assert counts.cleaned == {"compute logs": 1}


def test_no_run_means_no_log_and_never_all(instance: dg.DagsterInstance) -> None:
    write(instance, ["a", "compute_logs", "step"], "of a\n")
    CapturedLogs(instance).remove("", Counts())
    CapturedLogs(instance).neutralize("", lambda text: True, Counts())
    assert shown(instance, ["a", "compute_logs", "step"]) == b"of a\n"


def test_what_a_sensor_wrote_goes_with_its_tick_or_where_it_names_the_erased(instance: dg.DagsterInstance) -> None:
    logs = CapturedLogs(instance)
    for tick in ("1", "2", "3"):
        write(instance, ["repository", "sensor", tick], f"looked at {'acme' if tick == '2' else 'globex'}\n")
    logs.remove_of_tick(["repository", "sensor", "1"], Counts())
    logs.neutralize_ticks(lambda text: "acme" in text, Counts())
    assert [shown(instance, ["repository", "sensor", tick]) for tick in ("1", "2", "3")] == [
        None, b"Erased.\n", b"looked at globex\n",
    ]  # fmt: skip


def test_runs_whose_logs_name_the_erased_are_found(instance: dg.DagsterInstance) -> None:
    write(instance, ["a", "compute_logs", "step"], "of acme\n")
    write(instance, ["b", "compute_logs", "step"], "of globex\n")
    assert list(CapturedLogs(instance).mention(lambda text: "acme" in text)) == ["a"]

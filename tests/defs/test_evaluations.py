"""What an evaluation records and attaches, through the whole graph."""

from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pytest

from rl_assets import api
from rl_assets.api.drive import execute
from rl_assets.api.installation import Installation
from rl_assets.defs.assets.policy_runs import EVALUATED
from rl_assets.resources.event_log import ATTACHMENTS_KEY, Event
from rl_assets.resources.inputs import Inputs
from rl_assets.rl.evaluation import EpisodeRecords
from rl_assets.store.bundles import load_episodes
from rl_assets.store.objects import ObjectRef, ObjectStore
from rl_assets.store.tensors import decode_table
from tests import packages
from tests.defs.tiny_sweeps import tiny_sweep

ENV = "CartPole-v1"
ONE = {"grid": {"learning_rate": [1e-3]}}
RICH = {"num_episodes": 4, "both_modes": True, "metrics": ["action_change"], "videos": True}


def evaluated(installation: Installation) -> Event:
    """The newest evaluation of the one cell."""
    (event,) = installation.log.newest("policy_evaluations").values()
    return event


def store_of(installation: Installation) -> ObjectStore:
    return ObjectStore(installation.home.store_url)


def attachments(installation: Installation) -> dict[str, ObjectRef]:
    entries = evaluated(installation).metadata[ATTACHMENTS_KEY]
    return {name: ObjectRef.from_json(entry) for name, entry in entries.items()}


def episodes_of(installation: Installation) -> dict[int, EpisodeRecords]:
    event = evaluated(installation)
    inputs = Inputs(log=installation.log, store=store_of(installation))
    with inputs.for_output("reader", event.partition) as scope:
        return load_episodes(scope.open(event).artifact)


def materialize_evaluation(installation: Installation) -> dg.ExecuteInProcessResult:
    return execute(installation, assets=[EVALUATED], partition=evaluated(installation).partition)


def test_metrics_both_modes_times_and_videos_go_from_the_sweep_to_the_leaderboard(installation: Installation) -> None:
    assert api.run_sweep(installation, tiny_sweep(evaluation=RICH, **ONE)).is_complete
    event, episodes, attached = evaluated(installation), episodes_of(installation), attachments(installation)
    assert event.metadata["mode"] == "deterministic"
    assert event.metadata["rl/metrics"] == {"action_change": "1"}
    means = [episodes[seed].metrics["action_change"].mean() for seed in (0, 1)]
    assert event.metadata["metric_action_change"] == pytest.approx(np.mean(means))
    others = [records.other_mode for records in episodes.values()]
    assert all(other is not None and other.mode == "stochastic" for other in others)
    stochastic = np.mean([other.returns.mean() for other in others if other is not None])
    assert event.metadata["mean_return_stochastic"] == pytest.approx(stochastic)
    assert event.metadata["mean_return"] == pytest.approx(np.mean([own.returns.mean() for own in episodes.values()]))

    assert set(attached) == {"timings.parquet", "median.mp4", "worst.mp4"}
    timings = decode_table(store_of(installation).get(attached["timings.parquet"]), source="timings")
    assert len(timings["wall_time_s"]) == 2 * 2 * 4
    assert (timings["wall_time_s"] > 0).all()
    for name in ("median", "worst"):
        path = Path(event.metadata[f"video_{name}"])
        assert path.read_bytes() == store_of(installation).get(attached[f"{name}.mp4"])
        assert path.suffix == ".mp4"
    shown = {row.data["video"]: row.data for row in event.entries["videos"].records}
    returns = np.sort(np.concatenate([own.returns for own in episodes.values()]))
    assert (shown["worst"]["return"], shown["median"]["return"]) == (returns[0], returns[3])

    (row,) = api.leaderboard(installation, ENV)["rows"]
    assert row["metrics"] == {"action_change": pytest.approx(np.mean(means))}
    board = installation.log.latest("eval_leaderboards", ENV)
    assert board is not None
    assert "action_change" in board.entries["leaderboard"].records[0].data
    assert b"action change" in Path(board.metadata["page"]).read_bytes()


def test_the_data_version_knows_neither_clock_nor_video(installation: Installation) -> None:
    api.run_sweep(installation, tiny_sweep(evaluation={"num_episodes": 4}, **ONE))
    plain = evaluated(installation)
    assert set(attachments(installation)) == {"timings.parquet"}
    api.run_sweep(installation, tiny_sweep(evaluation={"num_episodes": 4, "videos": True}, **ONE))
    filmed = evaluated(installation)
    assert set(attachments(installation)) == {"timings.parquet", "median.mp4", "worst.mp4"}
    assert filmed.event_id > plain.event_id
    assert filmed.data_version == plain.data_version


@pytest.mark.parametrize("changes", [{"both_modes": True}, {"metrics": ["action_change"]}, {"deterministic": False}])
def test_an_evaluation_that_lacks_what_is_asked_for_is_made_again_and_nothing_is_trained_again(
    installation: Installation, changes: dict[str, Any]
) -> None:
    api.run_sweep(installation, tiny_sweep(evaluation={"num_episodes": 4}, **ONE))
    before, (trained,) = evaluated(installation), installation.log.newest("trained_policies").values()
    outcome = api.run_sweep(installation, tiny_sweep(evaluation={"num_episodes": 4} | changes, **ONE))
    after, (again,) = evaluated(installation), installation.log.newest("trained_policies").values()
    assert outcome.num_reused == outcome.num_trainings
    assert after.data_version != before.data_version
    assert again.data_version == trained.data_version


def test_the_doctor_knows_attachments_and_a_lost_one_is_made_again(installation: Installation) -> None:
    api.run_sweep(installation, tiny_sweep(evaluation=RICH, **ONE))
    answer = api.examine(installation)
    assert (answer["is_healthy"], answer["notes"]) == (True, [])
    before, lost = evaluated(installation), attachments(installation)["worst.mp4"]
    (store_of(installation).root / lost.path).unlink()
    (finding,) = api.examine(installation)["findings"]
    assert (finding["kind"], finding["path"], finding["is_current"]) == ("missing object", lost.path, True)
    assert f"policy_evaluations[{before.partition}], attachment 'worst.mp4'" in finding["needed_by"]
    assert f"materialize policy_evaluations of '{before.partition}' again" in finding["to_do"]

    board = installation.log.latest("eval_leaderboards", ENV)
    assert execute(installation, assets=[dg.AssetKey("eval_leaderboards")], partition=ENV).success
    assert board is not None, "a lost attachment stops nothing below"
    assert materialize_evaluation(installation).success
    assert api.examine(installation)["is_healthy"]
    assert evaluated(installation).data_version == before.data_version
    assert "rl/reused_from" not in evaluated(installation).metadata
    assert materialize_evaluation(installation).success
    assert "rl/reused_from" in evaluated(installation).metadata, "what is whole is logged again"
    assert set(attachments(installation)) == {"timings.parquet", "median.mp4", "worst.mp4"}


def test_where_nothing_can_be_drawn_the_evaluation_stands_and_says_so(installation: Installation) -> None:
    sweep = tiny_sweep(
        envs=["FrozenLake-v1"], evaluation={"num_episodes": 4, "videos": True}, gates={"floor": -1.0}, **ONE
    )
    assert api.run_sweep(installation, sweep).is_complete
    event = evaluated(installation)
    told = event.metadata["videos_missing"]
    assert "no video of the worst episode: 'FrozenLake-v1' cannot be filmed" in told
    assert "no video of the median episode" in told
    assert set(attachments(installation)) == {"timings.parquet"}
    assert not {"video_worst", "video_median", "videos"} & set(event.metadata)


NAN = '''
import numpy as np


class NotANumber:
    """Gives no number."""

    version = "1"

    def begin(self, num_streams):
        self.num_streams = num_streams

    def observe(self, steps):
        pass

    def finish(self, ended):
        return np.full(self.num_streams, np.nan)
'''


def test_a_metric_that_fails_costs_the_evaluation_and_never_the_training(
    installation: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages.install(tmp_path / "broken", monkeypatch, source=NAN, package="nothing", nan="NotANumber")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "broken"))
    outcome = api.run_sweep(installation, tiny_sweep(evaluation={"num_episodes": 4, "metrics": ["nan"]}, **ONE))
    (failed,) = outcome.failed
    assert installation.log.latest("trained_policies", failed) is not None
    assert installation.log.latest("policy_evaluations", failed) is None
    assert installation.log.latest("eval_leaderboards", ENV) is None
    (run,) = installation.instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]))
    told = [entry.user_message for entry in installation.instance.all_logs(run.run_id)]
    assert any("metric 'nan' (version 1) gave nan for an episode: expected a finite number" in line for line in told)

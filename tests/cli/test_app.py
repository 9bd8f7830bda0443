"""The command line: exit codes, JSON on standard output alone, and refusals that leave nothing behind."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.defs.tiny_sweeps import ACME, tiny_sweep

CHARTER = Path(__file__).parents[1] / "config" / "ppo_cartpole_mvp.yaml"


def write_sweep(folder: Path, **changes: Any) -> Path:
    """A sweep file; keys that are None are left out."""
    document = tiny_sweep().model_dump(mode="json", exclude_none=True) | changes
    path = folder / "sweep.yaml"
    path.write_text(json.dumps({key: value for key, value in document.items() if value is not None}))
    return path


def test_a_sweep_and_its_questions_speak_json_on_standard_output_alone(rlctl: Any, tmp_path: Path) -> None:
    code, out, err = rlctl("sweep", "-f", write_sweep(tmp_path), "--json")
    assert code == 0, err
    assert json.loads(out)["verdicts"] == {"CartPole-v1": "pass"}
    assert "sweep 'tiny'" in err
    code, out, _ = rlctl("leaderboard", "CartPole-v1", "--json")
    board = json.loads(out)
    assert (code, board["env"], len(board["rows"])) == (0, "CartPole-v1", 2)
    assert {"hparam", "mean_return", "std_return", "num_episodes", "num_seeds"} <= set(board["rows"][0])
    code, out, _ = rlctl("champion", "CartPole-v1", "--json")
    champion = json.loads(out)
    assert champion["hparam"] == board["champion"]
    assert {"env", "hparam", "data_version", "promoted_at"} <= set(champion)
    code, out, _ = rlctl("lineage", "--client", ACME["client_id"], "--json")
    answer = json.loads(out)
    assert set(answer) == {"datasets", "materializations", "promoted", "possibly_affected"}
    assert {"asset", "partition", "event_id", "data_version"} == set(answer["promoted"][0])
    for words in (["leaderboard", "CartPole-v1"], ["champion", "CartPole-v1"], ["lineage", "--champion", "CartPole-v1"],
                  ["lineage", "--client", ACME["client_id"]], ["dataset", "list"]):  # fmt: skip
        code, out, _ = rlctl(*words)
        assert (code, bool(out.strip())) == (0, True)


def test_an_experiment_in_the_charters_form_is_launched_without_a_dataset(rlctl: Any, tmp_path: Path) -> None:
    small = CHARTER.read_text().replace("epochs: 50", "epochs: 1").replace("[128, 128]", "[8]")
    path = tmp_path / "charter.yaml"
    path.write_text(small)
    code, out, err = rlctl("launch", "-f", path, "--json")
    assert code == 0, err
    assert json.loads(out)["finished"][0].startswith("CartPole-v1|ppo-lr=0.0003")
    _, out, _ = rlctl("dataset", "list", "--json")
    assert [entry["client_id"] for entry in json.loads(out)] == ["in-house"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"envs": ["CartPool-v1"]}, ["CartPool-v1", "CartPole"]),
        ({"envs": ["ConnectFour-v1"]}, ["ConnectFour-v1", "player"]),
        ({"envs": ["connect4"]}, ["ConnectFour", "player"]),
        ({"envs": ["Chess-v1"]}, ["Chess-v1", "2 players"]),
        ({"env_names": ["CartPole-v1"]}, ["env_names", "envs"]),
        ({"grid": {"learning_rate": [-1e-3]}}, ["learning_rate", "-0.001"]),
        ({"grid": {"learning_rate": [1e-3]}, "fixed": {"num_envs": 0}}, ["num_envs"]),
        ({"fixed": {"num_minibatches": 3}}, ["num_minibatches", "divisor"]),
        ({"grid": {"learning_rate": [0.001 + i * 1e-6 for i in range(5001)]}}, ["grid", "5000"]),
        ({"name": "a|b"}, ["'|'"]),
        ({"name": "a,b"}, ["','"]),
        ({"name": "a...b"}, ["..."]),
        ({"name": "a b"}, ["' '"]),
        ({"name": "x" * 200}, ["200"]),
        ({"name": "acme-corporation-1"}, ["'name'", "client"]),
        ({"dataset": {key: ACME[key] for key in ("project", "data_source", "domain")}}, ["client_id"]),
        ({"dataset": {key: ACME[key] for key in ("client_id", "data_source", "domain")}}, ["project"]),
        ({"dataset": {key: ACME[key] for key in ("client_id", "project", "domain")}}, ["data_source"]),
        ({"dataset": {key: ACME[key] for key in ("client_id", "project", "data_source")}}, ["domain"]),
        ({"dataset": "c-0123456789.d1"}, ["c-0123456789.d1"]),
        ({"envs": ["Pendulum-v1"], "action_space": "discrete"}, ["Pendulum-v1", "continuous"]),
        ({"envs": [{"id": "CartPole-v1", "options": {"num_threads": -3}}]}, ["num_threads"]),
        ({"envs": [{"id": "CartPole-v1", "options": {"no_such_option": 1}}]}, ["no_such_option"]),
        ({"envs": [{"id": "CartPole-v1", "options": {"max_episode_steps": -5}}]}, ["max_episode_steps"]),
        ({"gates": {"floor": {"Acrobot-v1": 1.0}}}, ["gates.floor", "Acrobot-v1"]),
    ],
)  # fmt: skip
def test_bad_input_exits_with_2_names_what_is_wrong_and_leaves_nothing_behind(
    rlctl: Any, tmp_path: Path, changes: dict[str, Any], words: list[str]
) -> None:
    code, out, err = rlctl("sweep", "-f", write_sweep(tmp_path, **changes))
    assert (code, out) == (2, ""), err
    for word in words:
        assert word in err
    assert not (tmp_path / "state").exists()


def test_a_nan_learning_rate_is_refused(rlctl: Any, tmp_path: Path) -> None:
    path = tmp_path / "nan.yaml"
    path.write_text("name: x\nenvs: [CartPole-v1]\ngrid: {learning_rate: [.nan]}\ndataset: c-0123456789.d1\n")
    code, _, err = rlctl("sweep", "-f", path)
    assert code == 2
    assert "learning_rate" in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["leaderboard", "Nowhere-v1"], "Nowhere-v1"),
        (["champion", "Nowhere-v1"], "Nowhere-v1"),
        (["lineage", "--client", "nobody"], "nobody"),
        (["lineage"], "--client"),
        (["sweep", "-f", "no-such-file.yaml"], "no-such-file.yaml"),
        (["dataset", "add", "--client", "x"], "project"),
        (["dataset", "add", "--client", "x", "--project", "p", "--data-source", "s", "--domain", "d", "/no/such/path"],
         "/no/such/path"),
        (["no-such-command"], "no-such-command"),
    ],
)  # fmt: skip
def test_questions_without_an_answer_exit_with_2(rlctl: Any, words: list[str], said: str) -> None:
    code, out, err = rlctl(*words)
    assert (code, out) == (2, "")
    assert said in err


ADD = ("dataset", "add", "--client", "Acme", "--project", "p", "--data-source", "s", "--domain", "d")


def test_all_missing_words_of_a_dataset_are_named_at_once(rlctl: Any, tmp_path: Path) -> None:
    code, out, err = rlctl("dataset", "add", "--project", "p", "--domain", " ")
    assert (code, out) == (2, "")
    assert "--client, --data-source, --domain are missing" in err
    assert "--project" not in err.split(":")[1].split("missing")[0]
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("place", ["state", "state/register", "."])
def test_the_installations_own_state_is_no_dataset(rlctl: Any, tmp_path: Path, place: str) -> None:
    (tmp_path / "state" / "register").mkdir(parents=True)
    (tmp_path / "state" / "register" / "file").write_text("x")
    code, out, err = rlctl(*ADD, tmp_path / place)
    assert (code, out) == (2, "")
    assert "own state" in err
    assert str(tmp_path / place) in err


def test_a_dataset_that_comes_again_says_whether_its_content_is_new(rlctl: Any, tmp_path: Path) -> None:
    for name, data in (("one", "1"), ("two", "2")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "data.csv").write_text(data)
    first = json.loads(rlctl(*ADD, tmp_path / "one", "--json")[1])
    assert first["earlier_data_version"] is None
    _, out, _ = rlctl(*ADD, tmp_path / "one")
    assert "nothing changed" in out
    _, out, _ = rlctl(*ADD, tmp_path / "two")
    assert f"a new version; it replaces {first['data_version']}" in " ".join(out.split())
    third = json.loads(rlctl(*ADD, tmp_path / "two", "--json")[1])
    assert (third["dataset"], third["earlier_data_version"]) == (first["dataset"], third["data_version"])
    assert third["data_version"] != first["data_version"]


def flip_a_bit_everywhere(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file() and path.stat().st_size:
            data = bytearray(path.read_bytes())
            data[len(data) // 2] ^= 1
            path.write_bytes(bytes(data))


def test_a_corrupt_artifact_is_refused_and_named(rlctl: Any, tmp_path: Path) -> None:
    assert rlctl("sweep", "-f", write_sweep(tmp_path))[0] == 0
    flip_a_bit_everywhere(tmp_path / "state" / "store" / "objects")
    code, out, err = rlctl("leaderboard", "CartPole-v1", "--json")
    assert (code, out) == (2, "")
    assert "objects/" in err


def test_the_same_sweep_by_arguments_has_the_same_keys(tmp_path: Path) -> None:
    from rl_assets.api import sweep
    from rl_assets.config.sweep_plan import plan_sweep
    from rl_assets.resources.sweep_library import read_sweep_file

    path = tmp_path / "s.yaml"
    path.write_text(
        "name: s\nenvs: [CartPole-v1, Acrobot-v1]\ngrid: {learning_rate: [3e-4, 1e-3]}\ntotal_timesteps: 100000\n"
        "dataset: {client_id: acme, project: balance, data_source: simulator, domain: simulation}\n"
    )
    by_arguments = sweep(envs=["CartPole-v1", "Acrobot-v1"], learning_rates=[3e-4, 1e-3], total_timesteps=100_000,
                         client="acme", project="balance")  # fmt: skip
    from_file = read_sweep_file(path)
    assert from_file.dataset == by_arguments.dataset
    assert plan_sweep(from_file, dataset="d").recipes == plan_sweep(by_arguments, dataset="d").recipes

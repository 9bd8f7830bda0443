"""What is refused of an environment says in which file and field it stands, and what to do."""

from pathlib import Path
from typing import Any

import pytest

from rl_assets.config.experiment import read_experiment
from rl_assets.config.sweep import SweepConfig
from rl_assets.datasets.register import ClientRegister
from rl_assets.errors import BadInput
from rl_assets.resources.admission import admit_sweep
from tests import packages

WORDS = {"client_id": "Acme", "project": "p", "data_source": "s", "domain": "d"}


def sweep_of(*envs: Any, **changes: Any) -> SweepConfig:
    return SweepConfig.parse({"name": "s", "envs": list(envs), "dataset": WORDS} | changes, source="s.yaml")


def experiment_of(env: dict[str, Any], *, discrete: bool = True) -> SweepConfig:
    document = {
        "name": "e",
        "env": env,
        "policy": {"algo": "ppo", "discrete": discrete},
        "train": {"epochs": 1, "steps_per_epoch": 64, "batch_size": 64, "lr": 0.001},
    }
    return read_experiment(document, source="e.yaml")


def refusal(folder: Path, sweep: SweepConfig, *, source: str) -> str:
    with pytest.raises(BadInput) as caught:
        admit_sweep(sweep, register=ClientRegister(folder), source=source)
    return str(caught.value)


@pytest.mark.parametrize(
    ("envs", "words"),
    [
        (["connect4"], ["field 'envs.0': env 'ConnectFour-v1' is a game for 2 players", "such as CartPole-v1"]),
        (["CartPole-v1", "CartPool"], ["field 'envs.1': env 'CartPool' is not known", "did you mean CartPole-v1"]),
        (
            [{"id": "CartPole-v1", "options": {"max_episode_steps": 0}}],
            ["field 'envs.0.options': env 'CartPole-v1', option 'max_episode_steps' is 0", "such as its default"],
        ),
    ],
)
def test_an_environment_is_refused_with_file_field_and_what_to_do(
    tmp_path: Path, envs: list[Any], words: list[str]
) -> None:
    told = refusal(tmp_path, sweep_of(*envs), source="folder/s.yaml")
    assert told.startswith("folder/s.yaml: ")
    assert [word for word in words if word not in told] == []


def test_an_experiment_is_refused_by_its_own_fields(tmp_path: Path) -> None:
    assert "e.yaml: field 'env': env 'ConnectFour-v1'" in refusal(
        tmp_path, experiment_of({"id": "connect4"}), source="e.yaml"
    )
    options = {"id": "CartPole-v1", "options": {"foo": 1}}
    assert "e.yaml: field 'env.options'" in refusal(tmp_path, experiment_of(options), source="e.yaml")
    told = refusal(tmp_path, experiment_of({"id": "Pendulum-v1"}), source="e.yaml")
    assert told.endswith("say policy.discrete: false")


def test_an_action_space_that_does_not_fit_a_sweep_is_named_by_its_field(tmp_path: Path) -> None:
    told = refusal(tmp_path, sweep_of("Pendulum-v1", action_space="discrete"), source="s.yaml")
    assert told.endswith("say action_space: continuous")


def test_options_get_the_types_that_the_environment_declares(tmp_path: Path) -> None:
    sweep = sweep_of({"id": "ant", "options": {"healthy_reward": 2}})
    (env,) = admit_sweep(sweep, register=ClientRegister(tmp_path)).envs
    assert env.id.startswith("Ant-")
    assert isinstance(env.options["healthy_reward"], float)
    assert env.options == {"healthy_reward": 2.0}


def test_an_unknown_metric_is_refused_with_the_field_and_those_that_exist(tmp_path: Path) -> None:
    sweep = sweep_of("CartPole-v1", evaluation={"metrics": ["action_change", "charm"]})
    told = refusal(tmp_path, sweep, source="s.yaml")
    assert told.startswith("s.yaml: field 'evaluation.metrics': metric 'charm' is not known: expected one of action_ch")


def test_a_metric_of_an_installed_package_is_admitted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packages.install(tmp_path / "lively", monkeypatch, largest_reward="LargestReward")
    sweep = sweep_of("CartPole-v1", evaluation={"metrics": ["action_change", "largest_reward"]})
    admitted = admit_sweep(sweep, register=ClientRegister(tmp_path / "clients"))
    assert admitted.evaluation.metrics == ("action_change", "largest_reward")


def registered(folder: Path, **words: Any) -> str:
    return ClientRegister(folder).add_dataset(**{**WORDS, **words})


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    folder = tmp_path / "recordings"
    folder.mkdir()
    (folder / "a.npz").write_bytes(b"read when it is registered, not here")
    return folder


@pytest.mark.parametrize("algorithm", ["ppo", "bc"])
def test_a_dataset_of_another_environment_is_refused_by_both_names(
    tmp_path: Path, recording: Path, algorithm: str
) -> None:
    key = registered(tmp_path, path=recording, env="Acrobot-v1")
    told = refusal(tmp_path, sweep_of("Acrobot-v1", "CartPole-v1", dataset=key, algorithm=algorithm), source="s.yaml")
    assert told.startswith(f"s.yaml: field 'dataset': '{key}' is registered as recorded in env 'Acrobot-v1'")
    assert "the sweep trains in 'CartPole-v1'" in told
    admit_sweep(sweep_of("Acrobot-v1", dataset=key, algorithm=algorithm), register=ClientRegister(tmp_path))
    told = refusal(tmp_path, sweep_of("CartPole-v1", algorithm=algorithm), source="s.yaml")
    assert f"'{key}' is registered as recorded in env 'Acrobot-v1'" in told, "declared in the same words"


@pytest.mark.parametrize("suffix", [".csv", ".txt"])
def test_cloning_without_episodes_is_refused_with_what_to_do(tmp_path: Path, suffix: str) -> None:
    told = refusal(tmp_path, sweep_of("CartPole-v1", algorithm="bc"), source="s.yaml")
    assert told.startswith("s.yaml: field 'dataset': the four words declare a dataset without episodes")
    assert "register one with `rlctl dataset add PATH`" in told
    key = registered(tmp_path)
    assert f"'{key}' is a declaration without episodes" in refusal(
        tmp_path, sweep_of("CartPole-v1", dataset=key, algorithm="bc"), source="s.yaml"
    )
    file = tmp_path / f"notes{suffix}"
    file.write_text("no episodes")
    registered(tmp_path, path=file)
    told = refusal(tmp_path, sweep_of("CartPole-v1", dataset=key, algorithm="bc"), source="s.yaml")
    assert f"'{key}' has no episodes" in told
    assert "notes" not in told, "names of files are the client's own"
    admit_sweep(sweep_of("CartPole-v1", dataset=key), register=ClientRegister(tmp_path))


def test_files_that_are_gone_are_no_reason_to_refuse_what_is_stored(tmp_path: Path, recording: Path) -> None:
    key = registered(tmp_path, path=recording)
    sweep = sweep_of("CartPole-v1", dataset=key, algorithm="bc")
    admit_sweep(sweep, register=ClientRegister(tmp_path))
    (recording / "a.npz").unlink()
    recording.rmdir()
    admit_sweep(sweep, register=ClientRegister(tmp_path))

"""The demo: the whole lifecycle on a small sweep, through the same doors and sensors as in production."""

from pathlib import Path

import numpy as np
import typer

from rl_assets import api
from rl_assets.api.drive import has_daemon
from rl_assets.cli.live import live_progress, open_console
from rl_assets.cli.printing import print_champion, print_leaderboard, print_trace
from rl_assets.config.environment import EnvConfig
from rl_assets.config.sweep import DatasetDeclaration
from rl_assets.resources.sweep_library import read_sweep_file
from rl_assets.rl.envs.catalogue import describe_env
from rl_assets.rl.envs.pool import EnvironmentPool
from rl_assets.rl.seeding import Purpose, env_seeds
from rl_assets.store.tensors import encode_tensors

SWEEP_FILE = "demo.yaml"
BALANCED_ENV, BALANCED_RETURN = "CartPole-v1", 475.0
RECORDED_ENVS, RECORDED_STEPS = 8, 250


def run_demo() -> None:
    """Register a dataset, run `sweeps/demo.yaml`, show what came of it; exit 1 if any stage did not happen."""
    with open_console() as console, api.open_installation() as installation:
        config = read_sweep_file(installation.home.sweeps_folder / SWEEP_FILE)
        assert isinstance(config.dataset, DatasetDeclaration), "the demo's sweep declares its client"
        console.rule("a client's dataset")
        recording = record_transitions(installation.home.demo_folder)
        dataset = api.add_dataset(installation, **config.dataset.model_dump(), path=recording)
        console.print(
            f"{dataset.partition}: {dataset.metadata['size_bytes']} bytes, data version {dataset.data_version[:12]}"
        )
        console.rule("sweep, training, evaluation, gates, promotion")
        with live_progress(installation.progress, console, is_watching=lambda: has_daemon(installation.instance)):
            outcome = api.run_sweep(
                installation,
                config,
                on_event=lambda text: console.print(text, highlight=False, markup=False, soft_wrap=True),
            )
        missing = [f"partition {key}" for key in outcome.failed]
        missing += [f"verdict of {env}" for env, verdict in outcome.verdicts.items() if verdict is None]
        if missing:
            console.print("[bold red]the demo is incomplete:[/bold red] " + ", ".join(missing))
            raise typer.Exit(1)
        for env in outcome.verdicts:
            print_leaderboard(api.leaderboard(installation, env))
        for env in outcome.verdicts:
            print_champion(api.champion(installation, env))
            print_trace(api.trace_champion(installation, env))
        audited = api.audit_champion(installation, BALANCED_ENV)
        console.print(
            f"{BALANCED_ENV}: mean of {audited['num_episodes']} further held-out episodes is "
            f"{audited['mean_return']:.1f}"
        )
        if audited["mean_return"] < BALANCED_RETURN:
            console.print(f"[bold red]expected at least {BALANCED_RETURN}: the champion does not balance")
            raise typer.Exit(1)
        console.rule("where to look next")
        console.print(
            "make dev: the graph, its metadata and its sensors in the browser\n"
            f".venv/bin/rlctl lineage --client {config.dataset.client_id}: all that this client's data went into\n"
            f".venv/bin/rlctl leaderboard {BALANCED_ENV}: the ranking; add --json for programs\n"
            f"{installation.home.pages_folder / 'sweep-demo.html'}: the sweep's report",
            highlight=False,
            soft_wrap=True,
        )


def record_transitions(folder: Path) -> Path:
    """Record CartPole under random actions, as a client might hand it over; the same bytes every time.

    Returns:
        A safetensors file of observations, actions and rewards, each `[RECORDED_STEPS, RECORDED_ENVS, ...]`.
    """
    env = EnvConfig(id=BALANCED_ENV)
    seeds = env_seeds(purpose=Purpose.AUDIT, env_key=env.id, member_seed=0, num_envs=RECORDED_ENVS)
    pool = EnvironmentPool(env, spaces=describe_env(env), seeds=seeds)
    choose = np.random.default_rng(0)
    observations, actions, rewards = [pool.reset().observations], [], []
    for _ in range(RECORDED_STEPS):
        actions.append(choose.integers(0, 2, size=RECORDED_ENVS, dtype=np.int32))
        step = pool.step(actions[-1])
        observations.append(step.observations)
        rewards.append(step.rewards)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "cartpole-transitions.safetensors"
    path.write_bytes(
        encode_tensors(
            {"observations": np.stack(observations[:-1]), "actions": np.stack(actions), "rewards": np.stack(rewards)}
        )
    )
    return path

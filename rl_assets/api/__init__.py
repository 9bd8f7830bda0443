"""The Python door: what the command line does, as functions.

from rl_assets.api import open_installation, run_sweep, sweep

with open_installation() as installation:
    outcome = run_sweep(installation, sweep(envs=["CartPole-v1"], learning_rates=[1e-3, 3e-3], total_timesteps=100_000,
                                            client="acme", project="balance"))
"""

from rl_assets.api.alerts import try_receivers
from rl_assets.api.clients import (
    add_contact,
    list_clients,
    place_hold,
    register_key,
    release_hold,
    remove_contact,
    rotate_register_key,
    show_client,
)
from rl_assets.api.datasets import add_dataset, dataset_versions, list_datasets
from rl_assets.api.doctor import examine
from rl_assets.api.erasing import (
    confirm_erasure,
    ledger_folder,
    list_erasures,
    plan_erasure,
    retrain,
    retraining_plan,
    verify_certificate,
)
from rl_assets.api.installation import Installation
from rl_assets.api.judging import judge_again, verdict
from rl_assets.api.lineage import Lineage, champion_reference, client_lineage, trace_champion
from rl_assets.api.opening import open_installation
from rl_assets.api.outcome import SweepOutcome
from rl_assets.api.promoting import history, promote, rollback
from rl_assets.api.queries import champion, gate_decisions, leaderboard
from rl_assets.api.resuming import ResumeOutcome, resume
from rl_assets.api.runs import RunningRun, running_runs
from rl_assets.api.serving import audit_champion, load_champions
from rl_assets.api.stopping import stop
from rl_assets.api.sweeps import run_sweep, sweep

__all__ = [
    "Installation",
    "Lineage",
    "ResumeOutcome",
    "RunningRun",
    "SweepOutcome",
    "add_contact",
    "add_dataset",
    "audit_champion",
    "champion",
    "champion_reference",
    "client_lineage",
    "confirm_erasure",
    "dataset_versions",
    "examine",
    "gate_decisions",
    "history",
    "judge_again",
    "leaderboard",
    "ledger_folder",
    "list_clients",
    "list_datasets",
    "list_erasures",
    "load_champions",
    "open_installation",
    "place_hold",
    "plan_erasure",
    "promote",
    "register_key",
    "release_hold",
    "remove_contact",
    "resume",
    "retrain",
    "retraining_plan",
    "rollback",
    "rotate_register_key",
    "run_sweep",
    "running_runs",
    "show_client",
    "stop",
    "sweep",
    "trace_champion",
    "try_receivers",
    "verdict",
    "verify_certificate",
]

"""Launching a file: a sweep or an experiment, seen through to its promotions."""

import json
from dataclasses import asdict
from pathlib import Path

import typer

from rl_assets import api
from rl_assets.api.drive import has_daemon
from rl_assets.cli.live import live_progress, open_console
from rl_assets.cli.printing import print_leaderboard, print_outcome
from rl_assets.resources.sweep_library import read_sweep_file


def launch_file(file: Path, *, as_json: bool) -> None:
    """Read, launch and follow a file; exit 1 if any of its partitions or environments did not get through."""
    config = read_sweep_file(file)
    with open_console() as console, api.open_installation() as installation:
        with live_progress(installation.progress, console, is_watching=lambda: has_daemon(installation.instance)):
            outcome = api.run_sweep(
                installation,
                config,
                source=str(file),
                on_event=lambda text: console.print(text, highlight=False, markup=False, soft_wrap=True),
            )
        if as_json:
            print(json.dumps(asdict(outcome) | {"is_complete": outcome.is_complete}, indent=2))
        else:
            for env in outcome.verdicts:
                if outcome.verdicts[env] is not None:
                    print_leaderboard(api.leaderboard(installation, env))
            print_outcome(outcome)
    if not outcome.is_complete:
        raise typer.Exit(1)

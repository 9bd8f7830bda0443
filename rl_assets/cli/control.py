"""Stopping and resuming runs."""

import json
from dataclasses import asdict

import typer

from rl_assets import api
from rl_assets.api.drive import has_daemon
from rl_assets.cli.live import live_progress, open_console
from rl_assets.cli.printing import print_outcome, print_runs


def stop_run(run: str | None, *, as_json: bool) -> None:
    """Stop a run and say how it ended; without a name and with none or several runs to choose from, list them."""
    with open_console() as console, api.open_installation() as installation:
        running = api.running_runs(installation)
        if run is None and len(running) != 1:
            if as_json:
                print(json.dumps([asdict(item) for item in running], indent=2))
            else:
                print_runs(running)
            return
        ended = api.stop(
            installation, run, on_event=lambda text: console.print(text, highlight=False, markup=False, soft_wrap=True)
        )
        status = ended.status.value.lower()
        if as_json:
            print(json.dumps({"run_id": ended.run_id, "status": status}, indent=2))
        else:
            print(f"run {ended.run_id} is {status}; go on with: rlctl resume {ended.run_id[:8]}")


def resume_run(run: str, *, allow_inexact: bool, as_json: bool) -> None:
    """Resume a run and follow it; exit 1 if it or what it leads to did not get through."""
    with open_console() as console, api.open_installation() as installation:
        with live_progress(installation.progress, console, is_watching=lambda: has_daemon(installation.instance)):
            outcome = api.resume(
                installation,
                run,
                allow_inexact,
                on_event=lambda text: console.print(text, highlight=False, markup=False, soft_wrap=True),
            )
        if as_json:
            print(json.dumps(asdict(outcome) | {"is_complete": outcome.is_complete}, indent=2))
        else:
            print(f"run {outcome.run_id} resumed {outcome.resumed_from}: {outcome.status}")
            if outcome.sweep is not None:
                print_outcome(outcome.sweep)
    if not outcome.is_complete:
        raise typer.Exit(1)

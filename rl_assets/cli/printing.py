"""Tables for people, on standard output."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from rl_assets.api.sweeps import SweepOutcome

console = Console()
MAX_ROWS = 30


def print_leaderboard(answer: Mapping[str, Any]) -> None:
    """Rank, recipe, mean return with its interval, worst seed; the champion is starred."""
    rows = answer["rows"][:MAX_ROWS]
    labels = label_recipes([row["hparam"] for row in rows])
    table = _table(f"Leaderboard of {answer['env']}")
    for name in ("#", "recipe", "mean", "95 % interval", "worst seed", "seeds", "episodes"):
        table.add_column(
            name, justify="left" if name == "recipe" else "right", no_wrap=name != "recipe", overflow="fold"
        )
    for row in rows:
        interval = "–" if row["ci_low"] is None else f"{row['ci_low']:.1f} … {row['ci_high']:.1f}"
        star = " ★" if row["hparam"] == answer["champion"] else ""
        table.add_row(
            str(row["rank"]),
            labels[row["hparam"]] + star,
            f"{row['mean_return']:.1f}",
            interval,
            f"{row['worst_seed_return']:.1f}",
            str(row["num_seeds"]) + ("" if row["is_replicated"] else " (few)"),
            str(row["num_episodes"]),
        )
    console.print(table)


def label_recipes(hparams: Sequence[str]) -> dict[str, str]:
    """Short names for recipes shown together: the words in which they differ, and the hash that is theirs alone."""
    words = {hparam: re.split(r"-(?=[a-z_]+=|[0-9a-f]{10}$)", hparam) for hparam in hparams}
    shared = set.intersection(*map(set, words.values())) if len(words) > 1 else set()
    return {hparam: " ".join(word for word in own if word not in shared) for hparam, own in words.items()}


def print_champion(answer: Mapping[str, Any]) -> None:
    """Who reigns, since when and why."""
    console.print(f"[bold]{answer['env']}[/bold]: {answer['hparam']}, member of seed {answer['member_seed']}")
    console.print(f"  generation {answer['generation']}, promoted {answer['promoted_at']} by {answer['actor']}")
    console.print(f"  data version {answer['data_version']}")
    console.print(f"  because {answer['reason']}", highlight=False)


def print_outcome(outcome: SweepOutcome) -> None:
    """What finished, what failed, and each environment's verdict."""
    console.print(f"sweep '{outcome.sweep}': {len(outcome.finished)} partitions finished, {len(outcome.failed)} failed")
    for key in outcome.failed:
        console.print(f"  failed: {key}", highlight=False)
    for env, verdict in outcome.verdicts.items():
        console.print(f"  {env}: {verdict or 'no verdict'}")


def print_client_lineage(answer: Mapping[str, Sequence[Any]]) -> None:
    """What a client's data went into, promoted models first."""
    console.print(f"datasets: {', '.join(answer['datasets']) or 'none'}")
    console.print(f"promoted models: {', '.join(str(item['partition']) for item in answer['promoted']) or 'none'}")
    table = _table(f"{len(answer['materializations'])} materializations")
    for name in ("asset", "partition", "event", "data version"):
        table.add_column(name, overflow="fold")
    for item in answer["materializations"]:
        table.add_row(item["asset"], item["partition"], str(item["event_id"]), item["data_version"][:12])
    console.print(table)
    if answer["possibly_affected"]:
        console.print(
            f"[bold red]{len(answer['possibly_affected'])} more may be affected: their inputs were not recorded"
        )


def print_trace(steps: Sequence[Mapping[str, Any]]) -> None:
    """What a champion stands on, newest first, down to the client."""
    table = _table("which stands on")
    for name in ("asset", "partition", "event", "data version"):
        table.add_column(name, overflow="fold")
    for step in steps:
        table.add_row(step["asset"], step["partition"], str(step["event_id"]), step["data_version"][:12])
        if "client_id" in step:
            table.add_row("client", step["client_id"])
    console.print(table)
    commits = {str(step["commit"])[:10] + (" (dirty)" if step["dirty"] else "") for step in steps}
    runs = [step["run_id"] for step in steps if step["asset"] == "trained_policies"]
    console.print(
        f"  trained in run {runs[0][:8] if runs else '–'} at commit {', '.join(sorted(commits))}", highlight=False
    )


def print_dataset(answer: Mapping[str, Any]) -> None:
    """The key and version of a dataset."""
    console.print(
        f"[bold]{answer['dataset']}[/bold]: {answer['content']}, {answer['num_files']} files, {answer['size_bytes']} "
        "bytes"
    )
    console.print(f"  data version {answer['data_version']}")


def print_datasets(answer: Sequence[Mapping[str, Any]]) -> None:
    """All datasets with their owners."""
    table = _table("Datasets")
    for name in ("key", "client", "project", "data source", "domain", "files"):
        table.add_column(name, overflow="fold")
    for item in answer:
        table.add_row(
            *(item[name] for name in ("dataset", "client_id", "project", "data_source", "domain")), item["path"] or "–"
        )
    console.print(table)


def print_schema(schema: Mapping[str, Any]) -> None:
    """Fields with type, default and meaning, nested models below the sweep."""
    for title, model in {"Sweep": schema, **schema.get("$defs", {})}.items():
        table = _table(title)
        for name in ("field", "default", "meaning"):
            table.add_column(name, overflow="fold")
        for name, field in model.get("properties", {}).items():
            default = "required" if name in model.get("required", ()) else str(field.get("default", "–"))
            table.add_row(name, default, field.get("description", ""))
        console.print(table)


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)

"""Tables for people, on standard output."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from rl_assets.api.outcome import SweepOutcome
from rl_assets.api.runs import RunningRun
from rl_assets.config.fields import TITLES, field_rows
from rl_assets.reports.numbers import count_of
from rl_assets.reports.recipe_styles import recipe_labels

console = Console(emoji=False)  # or a key such as sweep:fire: would be printed with a flame
MAX_ROWS = 30


def print_leaderboard(answer: Mapping[str, Any]) -> None:
    """Rank, recipe, mean return with its interval, worst seed; ties and the champion's recipe are marked."""
    rows = answer["rows"][:MAX_ROWS]
    labels = recipe_labels(row["hparam"] for row in answer["rows"])
    episodes = sum(row["num_episodes"] for row in answer["rows"])
    table = _table(f"Leaderboard of {answer['env']}, {count_of(episodes, 'evaluation episode')} in all")
    table.padding = (0, 1, 0, 0)
    metrics = sorted({name for row in answer["rows"] for name in row["metrics"]})
    for name in ("#", "recipe", "mean", "95 % interval", "worst seed", "seeds", *metrics):
        is_recipe = name == "recipe"
        table.add_column(name, justify="left" if is_recipe else "right", no_wrap=not is_recipe, overflow="fold")
    for row in rows:
        interval = "–" if row["ci_low"] is None else f"{row['ci_low']:.1f} … {row['ci_high']:.1f}"
        table.add_row(
            ("★ " if row["hparam"] == answer["champion"] else "") + ("≈" if _is_tied(row) else "") + str(row["rank"]),
            labels[row["hparam"]],
            f"{row['mean_return']:.1f}",
            interval,
            f"{row['worst_seed_return']:.1f}",
            str(row["num_seeds"]) + ("" if row["is_replicated"] else " (few)"),
            *("–" if name not in row["metrics"] else f"{row['metrics'][name]:.3g}" for name in metrics),
        )
    console.print(table)
    if any(row["hparam"] == answer["champion"] for row in rows):
        console.print("★ the recipe of the reigning champion", highlight=False)
    tied = sum(_is_tied(row) for row in answer["rows"])
    if tied:
        others = f"{count_of(tied, 'recipe')} of {len(answer['rows']) - 1} cannot be told apart from the first"
        console.print(f"≈ {others}", highlight=False)
    if len(rows) < len(answer["rows"]):
        console.print(f"and {count_of(len(answer['rows']) - len(rows), 'more recipe')}; --json lists all")


def print_champion(answer: Mapping[str, Any]) -> None:
    """Who reigns, since when and why."""
    console.print(f"[bold]{answer['env']}[/bold]: {answer['hparam']}, member of seed {answer['member_seed']}")
    came = "rolled back to" if answer["action"] == "roll_back" else "promoted"
    console.print(f"  generation {answer['generation']}, {came} {answer['promoted_at']} by {answer['actor']}")
    console.print(f"  data version {answer['data_version']}")
    reason = answer["reason"] or "what was said of it spoke of erased data and is gone; its verdict's id is on record"
    console.print(f"  because {reason}", highlight=False, markup=False)


def print_outcome(outcome: SweepOutcome) -> None:
    """What finished, failed or was there already, each environment's verdict with its reasons, and the report."""
    finished = count_of(len(outcome.finished), "partition")
    stopped = f", {len(outcome.stopped)} stopped early" if outcome.stopped else ""
    _tell(f"sweep '{outcome.sweep}': {finished} finished{stopped}, {len(outcome.failed)} failed")
    if outcome.num_reused:
        were = "was" if outcome.num_trainings == 1 else "were"
        _tell(f"  {outcome.num_reused} of {count_of(outcome.num_trainings, 'training')} {were} there already")
    for key, reason in outcome.stopped.items():
        _tell(f"  {key}: {reason}")
    for key in outcome.failed:
        _tell(f"  failed: {key}")
    for env, verdict in outcome.verdicts.items():
        other = f", of '{outcome.others[env]}', which leads there for another sweep" if env in outcome.others else ""
        _tell(f"  {env}: {verdict or 'no verdict'}{other}")
        for reason in outcome.reasons[env]:
            _tell(f"    {reason}")
    if outcome.report is not None:
        _tell(f"  report: {outcome.report}")


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
    """The key and version of a dataset, and what became of an earlier version."""
    size = f"{count_of(answer['num_files'], 'file')}, {count_of(answer['size_bytes'], 'byte')}"
    console.print(f"[bold]{answer['dataset']}[/bold]: {answer['content']}, {size}")
    if answer.get("num_episodes") is not None:
        numbers = f"{count_of(answer['num_episodes'], 'episode')}, {count_of(answer['num_steps'], 'step')}"
        console.print(f"  {numbers}, {answer['nan_share']:.2%} of all numbers NaN")
    console.print(f"  data version {answer['data_version']}")
    if answer["earlier_data_version"] == answer["data_version"]:
        console.print("  registered before with the same content: nothing changed")
    elif answer["earlier_data_version"] is not None:
        console.print(f"  a new version; it replaces {answer['earlier_data_version']}")
        console.print("  sweeps that are launched from now on train on the new one")


def print_datasets(answer: Sequence[Mapping[str, Any]]) -> None:
    """All datasets with their owners."""
    table = _table("Datasets")
    columns = {"dataset": "key", "client_id": "client", "project": "project", "data_source": "data source",
               "domain": "domain", "retain_until": "until", "path": "files"}  # fmt: skip
    for title in columns.values():
        table.add_column(title, overflow="fold")
    for item in answer:
        table.add_row(*(item[name] or "–" for name in columns))
    console.print(table)


def print_runs(running: Sequence[RunningRun]) -> None:
    """What runs, since when and how far it is."""
    if not running:
        _tell("nothing runs")
        return
    for run in running:
        share = "" if run.progress is None else f", {run.progress:.0%} of its steps done"
        since = datetime.fromtimestamp(run.since, tz=UTC).astimezone().isoformat(sep=" ", timespec="seconds")
        _tell(
            f"{run.run_id}  {run.status}  {', '.join(run.assets)} [{run.place}]{share}, since {since}, {run.executor}"
        )


def print_fields() -> None:
    """Every field of a sweep and of an experiment with type, bounds, default and meaning."""
    for model, title in TITLES.items():
        table = _table(title)
        for name in ("field", "expects", "default", "meaning"):
            table.add_column(name, no_wrap=name == "field", overflow="fold")
        for row in field_rows(model):
            table.add_row(row.name, row.expects, row.default, row.meaning)
        console.print(table)


def print_lines(*lines: str) -> None:
    """Print lines as they are, however long."""
    for line in lines:
        _tell(line)


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a small table; no cell is cut."""
    table = _table(title)
    for name in columns:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*row)
    console.print(table)


def _is_tied(row: Mapping[str, Any]) -> bool:
    """Whether a recipe that is not the first may be as good as the first."""
    return row["may_be_best"] and row["rank"] > 1


def _tell(text: str) -> None:
    """Print a line as it is, however long: a terminal wraps it, and a path or key can be copied whole."""
    console.print(text, highlight=False, markup=False, soft_wrap=True)


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)

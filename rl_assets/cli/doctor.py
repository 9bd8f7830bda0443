"""`rlctl doctor`: the examination of an installation, as a person reads it."""

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from rl_assets import api
from rl_assets.api.doctor import Examined
from rl_assets.cli.printing import print_lines, print_table
from rl_assets.reports.numbers import count_of

MAX_FINDINGS = 30
MAX_HOLDERS = 3


def run_doctor(*, as_json: bool) -> None:
    """Examine the installation, show what was found, and exit with 1 if anything was."""
    with api.open_installation() as installation:
        console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), TaskProgressColumn(),
                   TimeRemainingColumn())  # fmt: skip
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
            task = progress.add_task("reading records", total=None)

            def show(now: Examined) -> None:
                words = f"{now.done:,} records" if now.phase == "records" else f"{now.done / 1e9:.2f} GB of objects"
                progress.update(task, description=words, completed=now.done, total=now.total)

            answer = api.examine(installation, on_progress=show)
    if as_json:
        print(json.dumps(answer, indent=2, ensure_ascii=False))
    else:
        print_examination(answer)
    if not answer["is_healthy"]:
        raise typer.Exit(1)


def print_examination(answer: Mapping[str, Any]) -> None:
    """What was looked at, what was found and what to do about it, and what is there without doing harm."""
    speed = f", {answer['size_bytes'] / answer['seconds'] / 1e9:.2f} GB/s" if answer["seconds"] else ""
    print_lines(
        f"store {answer['store']}",
        f"  {count_of(answer['num_objects'], 'object')}, {answer['size_bytes'] / 1e9:.3f} GB read in "
        f"{answer['seconds']:.1f} s{speed}; {count_of(answer['num_records'], 'record')} of Dagster",
    )
    findings = answer["findings"]
    if findings:
        kinds = Counter((item["kind"], item["is_current"]) for item in findings)
        print_table(
            count_of(len(findings), "finding"),
            ("what", "hits", "how many"),
            [
                (kind, "what stands now" if is_current else "the past only", str(count))
                for (kind, is_current), count in kinds.items()
            ],
        )
    for number, item in enumerate(findings[:MAX_FINDINGS], start=1):
        holders = list(item["needed_by"][:MAX_HOLDERS])
        more = len(item["needed_by"]) - len(holders)
        hit = ", ".join(holders) + (f" and {more} more" if more else "") if holders else "nothing"
        place = f"  {item['path']}" if item["path"] else f"  {answer['store']}"
        print_lines(f"{number}. {item['kind']}, hits {hit}", place, f"  {item['what']}", f"  to do: {item['to_do']}")
    if len(findings) > MAX_FINDINGS:
        print_lines(f"and {count_of(len(findings) - MAX_FINDINGS, 'more finding')}; --json lists all")
    for note in answer["notes"]:
        print_lines(
            f"note: {count_of(note['count'], 'file')} of {count_of(note['size_bytes'], 'byte')}, such as "
            f"{note['paths'][0]}: {note['meaning']}"
        )
    print_lines("healthy" if answer["is_healthy"] else "not healthy: see docs/runbooks/store.md")

"""Answers about lineage as tables for people."""

from collections.abc import Mapping, Sequence
from typing import Any

from rl_assets.cli.printing import MAX_ROWS, print_lines, print_table
from rl_assets.reports.numbers import count_of

_COLUMNS = ("asset", "partition", "event", "data version")


def print_forward(answer: Mapping[str, Any]) -> None:
    """What was made from a partition, promoted models first."""
    of = answer["of"]
    event = "" if of["event_id"] is None else f", event {of['event_id']} alone"
    print_lines(f"made from {of['asset']}:{of['partition']}{event}")
    promoted = [f"{item['partition']} (event {item['event_id']})" for item in answer["promoted"]]
    print_lines(f"promoted models: {', '.join(promoted) or 'none'}")
    listed = answer["materializations"]
    _print_events(count_of(len(listed), "materialization"), listed)
    if answer["possibly_affected"]:
        _print_events("possibly affected: nobody recorded what they read, or it is gone", answer["possibly_affected"])


def print_backward(answer: Mapping[str, Any]) -> None:
    """What a materialization stands on, newest first, with what made it."""
    rows = [
        (
            f"{step['asset']}\n{step['partition']}",
            str(step["event_id"]),
            str(step["data_version"])[:12],
            _commit(step),
            str(step["config_hash"] or "–")[:10],
            _seeds(step),
        )
        for step in answer["steps"]
    ]
    columns = ("which stands on", "event", "version", "commit", "config", "seeds")
    print_table(f"{answer['of']['asset']}:{answer['of']['partition']}", columns, rows)
    for step in answer["steps"]:
        if "files" in step:
            _print_files(step)
    for record in answer["missing"]:
        print_lines(f"missing: {_name(record)}, version {record['data_version'][:12]}, was read and is gone")
    for record in answer["erased"]:
        print_lines(f"evidence that is gone: {_name(record)} was erased by order {record['order']}")
    for step in answer["unrecorded"]:
        print_lines(f"not recorded: what {_name(step)} read")
    print_lines("complete down to its sources" if answer["is_complete"] else "NOT complete: see the lines above")


def print_diff(answer: Mapping[str, Any]) -> None:
    """What only one of two models stands on, and where their recipes differ."""
    for side in ("first", "second"):
        found = answer[side]
        print_lines(f"{side}: {_name(found['model'])}, of clients {', '.join(found['clients']) or 'none'}")
    for pair in answer["other_versions"]:
        print_lines(
            f"another version of {pair['asset']}:{pair['partition']}: {pair['first']['data_version'][:12]} (event "
            f"{pair['first']['event_id']}) and {pair['second']['data_version'][:12]} (event "
            f"{pair['second']['event_id']})"
        )
    for side in ("first", "second"):
        _print_events(f"only the {side} stands on", answer[side]["alone"])
    print_lines(f"both stand on {count_of(len(answer['shared']), 'further materialization')}")
    recipe = answer["recipe"]
    if recipe is None:
        print_lines("recipes: not both can be read any more")
    elif recipe:
        rows = [(field, _spell(one), _spell(other)) for field, (one, other) in recipe.items()]
        print_table("recipes differ in", ("field", "first", "second"), rows)
    else:
        print_lines("recipes: the same")
    if not answer["is_complete"]:
        print_lines("NOT complete: a step is missing or says not what it read; `rlctl lineage backward` names it")


def print_index(answer: Mapping[str, Any]) -> None:
    """State of the index, and what had changed."""
    print_lines(f"{answer['file']}: {count_of(answer['num_events'], 'materialization')}, as in the event log")
    if answer["rebuilt_because"]:
        print_lines(f"  built again: {answer['rebuilt_because']}")
    else:
        print_lines(f"  {answer['num_added']} new, {answer['num_changed']} changed")
    for asset, number in answer["removed"].items():
        print_lines(f"  {number} of {asset} are gone from the event log")
    if answer["differing_events"] is not None:
        differing = answer["differing_events"]
        told = (
            f"events {', '.join(map(str, differing))} differ: rebuild it with --rebuild" if differing else "all equal"
        )
        print_lines(f"  compared record by record: {told}")


def _print_events(title: str, events: Sequence[Mapping[str, Any]]) -> None:
    rows = [
        (item["asset"], str(item["partition"]), str(item["event_id"]), item["data_version"][:12])
        for item in events[:MAX_ROWS]
    ]
    print_table(title, _COLUMNS, rows)
    if len(events) > MAX_ROWS:
        print_lines(f"and {len(events) - MAX_ROWS} more; --json lists all")


def _print_files(step: Mapping[str, Any]) -> None:
    if step["files"] is None:
        print_lines(f"files of {_name(step)}: the store no longer has their list")
        return
    rows = [(file["file"], file["sha256"], f"{file['size_bytes']:,}") for file in step["files"][:MAX_ROWS]]
    print_table(f"files of {_name(step)}", ("file", "sha256", "bytes"), rows)
    if len(step["files"]) > MAX_ROWS:
        print_lines(f"and {len(step['files']) - MAX_ROWS} more files; --json lists all")


def _name(item: Mapping[str, Any]) -> str:
    return f"{item['asset']}:{item['partition']}@{item['event_id']}"


def _commit(step: Mapping[str, Any]) -> str:
    commit = step["commit"]
    return "–" if commit is None else commit[:10] + ("\n(dirty)" if step["dirty"] else "")


def _seeds(step: Mapping[str, Any]) -> str:
    if step["seeds"]:
        return ", ".join(map(str, step["seeds"]))
    return "–" if step["member_seed"] is None else str(step["member_seed"])


def _spell(value: Any) -> str:
    return "–" if value is None else str(value)

"""Answers about lineage as pages for a browser."""

from collections.abc import Iterable, Mapping
from typing import Any

from rl_assets.api.lineage import Lineage
from rl_assets.reports.lineage_drawing import Edge, Node
from rl_assets.reports.lineage_page import LineagePage, lineage_page
from rl_assets.reports.numbers import count_of

_PROMOTED = "promoted_models"


def client_page(lineage: Lineage, pseudonym: str, answer: Mapping[str, Any]) -> bytes:
    """What a client's data went into.

    Args:
        lineage: that gave the answer.
        pseudonym: of the client.
        answer: of `Lineage.of_client`.
    """
    return _forward(lineage, answer, title=f"Client {pseudonym}", subjects=set())


def forward_page(lineage: Lineage, answer: Mapping[str, Any]) -> bytes:
    """What was made from a partition, as `Lineage.forward` answered."""
    of = answer["of"]
    subjects = {
        item["event_id"]
        for item in answer["materializations"]
        if (item["asset"], item["partition"]) == (of["asset"], of["partition"])
        and of["event_id"] in (None, item["event_id"])
    }
    return _forward(lineage, answer, title=f"{of['asset']}: {of['partition']}", subjects=subjects)


def backward_page(lineage: Lineage, answer: Mapping[str, Any]) -> bytes:
    """What a materialization stands on, as `Lineage.backward` answered."""
    of = answer["of"]
    unrecorded = {item["event_id"] for item in answer["unrecorded"]}
    events = sorted(answer["steps"], key=lambda step: step["event_id"])
    marks = {step["event_id"]: ("unrecorded",) for step in events if step["event_id"] in unrecorded}
    nodes, edges = _graph(events, marks | {of["event_id"]: ("subject", *marks.get(of["event_id"], ()))})
    known = {node.number for node in nodes}
    gone = [record for record in answer["missing"] if record["event_id"] not in known]
    nodes += [_missing(record) for record in {record["event_id"]: record for record in gone}.values()]
    edges += [
        Edge(source=record["event_id"], reader=step["event_id"], role=record["role"])
        for step in events
        for record in step["inputs"] or ()
        if record in gone
    ]
    sources = [step for step in events if step["asset"] == "datasets"]
    complete = "The chain is complete" if answer["is_complete"] else "The chain is NOT complete"
    files = [
        {"dataset": step["partition"], "event": str(step["event_id"]), **{name: str(file[name]) for name in file}}
        for step in sources
        for file in step["files"] or ()
    ]
    return lineage_page(
        LineagePage(
            kind="Lineage, backward",
            title=f"{of['asset']}: {of['partition']}",
            summary=f"{complete} down to {count_of(len(sources), 'dataset')}, over "
            f"{count_of(len(events), 'materialization')}.",
            facts={
                "event": str(of["event_id"]),
                "data version": of["data_version"],
                "clients": _clients(sources),
                "commits": ", ".join(sorted({str(step["commit"])[:10] for step in events if step["commit"]})) or "–",
            },
            nodes=nodes,
            edges=edges,
            warnings=[
                *lineage.news.warnings(),
                *(f"{_name(record)} was read and is gone from the event log." for record in answer["missing"]),
                *(
                    f"{_name(record)} informed the decision and was erased by order {record['order']}."
                    for record in answer["erased"]
                ),
                *(f"{_name(step)} does not say what it read." for step in answer["unrecorded"]),
            ],
            tables={"Files of the datasets": files},
        )
    )


def diff_page(lineage: Lineage, answer: Mapping[str, Any]) -> bytes:
    """How the ancestries of two models differ, as `Lineage.compare` answered."""
    first, second = answer["first"], answer["second"]
    marks: dict[int, tuple[str, ...]] = {item["event_id"]: ("first",) for item in first["alone"]}
    marks |= {item["event_id"]: ("second",) for item in second["alone"]}
    for side in (first, second):
        number = side["model"]["event_id"]
        marks[number] = ("subject", *marks.get(number, ()))
    listed = [*first["alone"], *second["alone"], *answer["shared"]]
    nodes, edges = _graph(lineage.events_of({"materializations": listed}), marks, roles=("data",))
    recipe = answer["recipe"]
    fields = [{"field": name, "first": str(one), "second": str(other)} for name, (one, other) in (recipe or {}).items()]
    versions = [
        {
            "asset": pair["asset"],
            "partition": str(pair["partition"]),
            "first": f"{pair['first']['data_version'][:12]} (event {pair['first']['event_id']})",
            "second": f"{pair['second']['data_version'][:12]} (event {pair['second']['event_id']})",
        }
        for pair in answer["other_versions"]
    ]
    incomplete = ["A step of one of them is missing or says not what it read: more may be shared, or differ."]
    unread = ["The recipes of both cannot be read any more."]
    return lineage_page(
        LineagePage(
            kind="Lineage, difference",
            title=f"Event {first['model']['event_id']} and event {second['model']['event_id']}",
            summary=f"Only the first stands on {len(first['alone'])}, only the second on {len(second['alone'])}, both "
            f"on {count_of(len(answer['shared']), 'materialization')}.",
            facts={
                "first": _name(first["model"]),
                "second": _name(second["model"]),
                "clients of the first": ", ".join(first["clients"]) or "none",
                "clients of the second": ", ".join(second["clients"]) or "none",
                "recipes": "unknown" if recipe is None else "differ" if recipe else "the same",
            },
            nodes=nodes,
            edges=edges,
            warnings=[
                *lineage.news.warnings(),
                *(incomplete if not answer["is_complete"] else ()),
                *(unread if recipe is None else ()),
            ],
            tables={"Recipes differ in": fields, "The same partition in two versions": versions},
        )
    )


def _forward(lineage: Lineage, answer: Mapping[str, Any], *, title: str, subjects: set[int]) -> bytes:
    events = lineage.events_of(answer)
    marks: dict[int, tuple[str, ...]] = {item["event_id"]: ("promoted",) for item in answer["promoted"]}
    marks |= {number: ("subject", *marks.get(number, ())) for number in subjects}
    nodes, edges = _graph(events, marks, roles=("data",))
    possibly = answer["possibly_affected"]
    models = sorted({item["partition"] for item in answer["promoted"]})
    return lineage_page(
        LineagePage(
            kind="Lineage, forward",
            title=title,
            summary=f"{count_of(len(events), 'materialization')}, "
            + (f"promoted models of {', '.join(models)} among them." if models else "no promoted model among them."),
            facts={
                "promoted": ", ".join(f"{item['partition']} (event {item['event_id']})" for item in answer["promoted"])
                or "none",
                "possibly affected": str(len(possibly)),
            },
            nodes=nodes,
            edges=edges,
            warnings=lineage.news.warnings(),
            tables={
                "Possibly affected: nobody recorded what they read, or it is gone": [
                    {
                        "asset": item["asset"],
                        "partition": str(item["partition"]),
                        "event": str(item["event_id"]),
                        "version": item["data_version"][:12],
                    }
                    for item in possibly
                ]
            },
        )
    )


def _graph(
    events: Iterable[Mapping[str, Any]],
    marks: Mapping[int, tuple[str, ...]],
    *,
    roles: tuple[str, ...] = ("data", "evidence"),
) -> tuple[list[Node], list[Edge]]:
    """Boxes and lines of described events; lines to what is not among them are left out."""
    found = list(events)
    known = {_identity(event) for event in found}
    nodes = [
        Node(
            number=event["event_id"],
            asset=event["asset"],
            partition=str(event["partition"]),
            data_version=event["data_version"],
            marks=marks.get(event["event_id"], ()),
            details=_details(event),
        )
        for event in found
    ]
    edges = [
        Edge(source=read["event_id"], reader=event["event_id"], role=read["role"])
        for event in found
        for read in event["inputs"] or ()
        if _identity(read) in known and read["role"] in roles
    ]
    return nodes, edges


def _details(event: Mapping[str, Any]) -> dict[str, str]:
    commit = event["commit"]
    seeds = event["seeds"] or ([] if event["member_seed"] is None else [event["member_seed"]])
    told = {
        "event": str(event["event_id"]),
        "data version": event["data_version"],
        "recorded": (event["recorded_at"] or "")[:19].replace("T", " "),
        "commit": "" if commit is None else commit[:10] + (" (dirty)" if event["dirty"] else ""),
        "configuration": str(event["config_hash"] or "")[:12],
        "seeds": ", ".join(map(str, seeds)),
        "run": str(event["run_id"] or "")[:8],
        "package": str(event["package_version"] or ""),
        "read": "not recorded" if event["inputs"] is None else count_of(len(event["inputs"]), "input"),
    }
    return {name: value for name, value in told.items() if value}


def _missing(record: Mapping[str, Any]) -> Node:
    return Node(
        number=record["event_id"],
        asset=record["asset"],
        partition=str(record["partition"]),
        data_version=record["data_version"],
        marks=("missing",),
        details={"event": f"{record['event_id']}, gone from the log", "data version": record["data_version"]},
    )


def _clients(steps: Iterable[Mapping[str, Any]]) -> str:
    return ", ".join(sorted({str(step["partition"]).partition(".")[0] for step in steps})) or "none"


def _identity(item: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(item[name] for name in ("asset", "partition", "event_id", "data_version"))


def _name(item: Mapping[str, Any]) -> str:
    return f"{item['asset']}:{item['partition']}@{item['event_id']}"

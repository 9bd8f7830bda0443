"""Event logs to plan erasures over: one made by hand, and random ones."""

from dataclasses import replace

from hypothesis import strategies as st

from rl_assets.lineage.records import InputRecord, Materialization, Role

ALICE, BOB = "c-00000000aa", "c-00000000bb"
DATASETS = (f"{ALICE}.d1", f"{ALICE}.d2", f"{BOB}.d1")
_ASSETS = (
    "sweep_configs",
    *("trained_policies",) * 4,  # so that chains of fine-tuning come about
    "policy_evaluations",
    "eval_leaderboards",
    "gate_evaluations",
    "promoted_models",
    "sweep_reports",
)


def made(event_id: int, asset: str, partition: str, *inputs: InputRecord | Materialization) -> Materialization:
    """A materialization that read these; an event stands for data that was read."""
    records = tuple(item if isinstance(item, InputRecord) else read(item) for item in inputs)
    return Materialization(
        asset=asset, partition=partition, event_id=event_id, data_version=f"v{event_id}", inputs=records
    )


def read(event: Materialization, role: Role = "data") -> InputRecord:
    """The record of having read an event."""
    return InputRecord(**event.summary(), role=role)


def partition_of(asset: str, name: str) -> str:
    """A partition of the asset's own kind; three names are three partitions of each."""
    env = {"x": "Pong-v5", "y": "Pong-v5", "z": "Ant-v4"}[name]
    if asset in ("trained_policies", "policy_evaluations"):
        return f"{env}|ppo-{name}"
    return f"sweep-{name}" if asset.startswith("sweep") else env


@st.composite
def logs(draw: st.DrawFn) -> list[Materialization]:
    """Random logs in random order.

    Several events of one partition, inputs from several clients, chains of policies, bytes that two datasets share,
    inputs that are evidence only, that are gone from the log or are not what was recorded, and events without a record.
    """
    events: list[Materialization] = []
    for event_id in range(1, draw(st.integers(1, 30)) + 1):
        if draw(st.integers(0, 4)) == 0:
            data = made(event_id, "datasets", draw(st.sampled_from(DATASETS)))
            events.append(replace(data, data_version="the same bytes") if draw(st.booleans()) else data)
            continue
        asset = draw(st.sampled_from(_ASSETS))
        partition = partition_of(asset, draw(st.sampled_from("xyz")))
        chosen = draw(st.lists(st.sampled_from(events), max_size=4, unique_by=id)) if events else []
        inputs = [read(event, draw(st.sampled_from(("data", "data", "evidence")))) for event in chosen]
        fault = draw(st.sampled_from(("", "", "", "", "", "", "gone", "gone dataset", "other bytes", "unrecorded")))
        role = draw(st.sampled_from(("data", "evidence"))) if fault else "data"
        if fault == "gone":
            inputs.append(read(made(draw(st.integers(500, 503)), "trained_policies", "Pong-v5|ppo-x"), role))
        elif fault == "gone dataset":
            inputs.append(read(made(draw(st.integers(500, 503)), "datasets", draw(st.sampled_from(DATASETS))), role))
        elif fault == "other bytes" and events:
            inputs.append(replace(read(draw(st.sampled_from(events)), role), data_version="others"))
        event = made(event_id, asset, partition, *inputs)
        events.append(replace(event, inputs=None) if fault == "unrecorded" else event)
    return draw(st.permutations(events))


def obvious_answer(log: list[Materialization], roots: set[int], keys: set[str], *, whole: bool) -> tuple[set, set]:
    """What goes and what may have to, found by asking every event again until nobody changes its mind.

    Args:
        log: all events.
        roots: dataset events to erase, in the log or gone from it.
        keys: the datasets that they are of.
        whole: whether every version of those datasets is a root, also those that nobody listed.
    """
    goes = {event.event_id for event in log if event.event_id in roots and event.asset == "datasets"}
    may: set[int] = set()
    while True:
        before = len(goes), len(may)
        for event in log:
            if event.asset == "datasets":
                continue
            if event.inputs is None:
                may.add(event.event_id)
            for record in event.inputs or ():
                sources = [e for e in log if e.summary() == record.identity()]
                if record.role == "evidence":
                    continue
                if sources:
                    goes |= {event.event_id} if sources[0].event_id in goes else set()
                    may |= {event.event_id} if sources[0].event_id in may else set()
                elif record.asset != "datasets":
                    may.add(event.event_id)
                elif record.partition in keys:
                    (goes if whole or record.event_id in roots else may).add(event.event_id)
        if (len(goes), len(may)) == before:
            return goes, may - goes

"""How long questions about lineage take over 10,000 policies, and how long the index takes to be built."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg

from benchmarks.lineage_log import write_policies
from benchmarks.report import Table, spread
from benchmarks.sensors import open_instance
from rl_assets import api
from rl_assets.api.installation import Installation
from rl_assets.api.lineage_pages import forward_page
from rl_assets.defs.graph import build_definitions
from rl_assets.resources.home import Home
from rl_assets.resources.lineage_log import ASSETS, lineage_record

ROOT = Path(__file__).parents[1]
NUM_POLICIES, NUM_CLIENTS, NUM_ENVS = 10_000, 10, 20


def measure(*, quick: bool = False) -> list[Table]:
    """Fill an event log with policies of ten clients and ask."""
    num_policies, rounds = (500, 1) if quick else (NUM_POLICIES, 5)
    with tempfile.TemporaryDirectory() as folder, open_instance(Path(folder)) as instance:
        home = Home(root=ROOT, state=Path(folder) / "state", store_url=str(Path(folder) / "store"))
        installation = Installation(home=home, instance=instance, definitions=build_definitions(home))
        dataset = write_policies(instance, num_policies=num_policies, num_clients=NUM_CLIENTS, num_envs=NUM_ENVS)
        rows = _ask(installation, dataset, rounds=rounds)
        num_events = api.Lineage(installation).news.num_events
        size_mb = api.Lineage(installation).index.file.stat().st_size / 1e6
    return [
        Table(
            title=f"{num_policies:,} policies, {num_events:,} materializations, rounds: {rounds}",
            columns=("question", "seconds", "of processor", "materializations in the answer"),
            rows=tuple(rows),
            notes=(
                f"{NUM_CLIENTS} clients, {NUM_ENVS} envs; every tenth policy is trained from another one, and each has "
                "its evaluation. Each question opens the index anew and compares it with the event log, on SQLite, as "
                f"`rlctl` does; imports are not counted. The index has {size_mb:,.0f} MB.",
            ),
        )
    ]


def _ask(installation: Installation, dataset: str, *, rounds: int) -> list[tuple[str, ...]]:
    def ask(reference: str) -> Any:
        return api.Lineage(installation).forward(reference)["materializations"]

    def trace() -> Any:
        return api.Lineage(installation).backward("promoted_models:Env000-v1")["steps"]

    def page() -> Any:
        lineage = api.Lineage(installation)
        answer = lineage.forward(f"datasets:{dataset}")
        forward_page(lineage, answer)
        return answer["materializations"]

    def scan() -> Any:
        return [lineage_record(event) for asset in ASSETS for event in installation.log.history(asset)]

    def rebuild() -> Any:
        lineage = api.Lineage(installation)
        lineage.index.rebuild()
        return lineage.graph.events

    def after_one_more() -> Any:
        installation.instance.report_runless_asset_event(dg.AssetMaterialization("sweep_reports", partition="new"))
        return ask(f"datasets:{dataset}")

    return [
        _row("forward from a dataset", lambda: ask(f"datasets:{dataset}"), rounds=rounds),
        _row("the same, one event later", after_one_more, rounds=rounds),
        _row("backward from a champion", trace, rounds=rounds),
        _row("forward, with its page", page, rounds=rounds),
        _row("build the index again", rebuild, rounds=min(rounds, 2)),
        _row("read the log without an index", scan, rounds=1),
    ]


def _row(name: str, work: Callable[[], Any], *, rounds: int) -> tuple[str, ...]:
    """Time a question after it was asked once, but for those that take many seconds."""
    answer = work() if rounds > 2 else None
    took_s, processor_s = list[float](), list[float]()
    for _ in range(rounds):
        began_s, processor_began_s = time.perf_counter(), time.process_time()
        answer = work()
        took_s.append(time.perf_counter() - began_s)
        processor_s.append(time.process_time() - processor_began_s)
    return name, spread(took_s, digits=2), spread(processor_s, digits=2), f"{len(answer or ()):,}"

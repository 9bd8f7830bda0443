"""What a sweep led to."""

from collections.abc import Sequence
from dataclasses import dataclass

from rl_assets.api.installation import Installation
from rl_assets.api.queries import gate_decisions
from rl_assets.defs.partitions import cell_key
from rl_assets.resources.cells import SEEDS_KEY
from rl_assets.resources.demand import envs_of, hparams_of, read_demand
from rl_assets.resources.event_log import Event
from rl_assets.resources.inputs import REUSED_KEY
from rl_assets.resources.stages import answers


@dataclass(frozen=True, kw_only=True)
class SweepOutcome:
    """What a sweep led to."""

    sweep: str
    event_id: int
    """The materialization of `sweep_configs` that was launched."""
    finished: tuple[str, ...]
    """Cells that were trained and evaluated since, or found complete."""
    stopped: dict[str, str]
    """Cells that the sweep stopped because others were ahead -> why."""
    failed: tuple[str, ...]
    """Cells that were not."""
    verdicts: dict[str, str | None]
    """Env key -> verdict of its gates; None where none was reached."""
    others: dict[str, str]
    """Env key -> the recipe that leads there and was judged, where this sweep does not ask for it."""
    reasons: dict[str, tuple[str, ...]]
    """Env key -> why its gates did not pass, `gate: reason` each; empty where they passed or nothing was judged."""
    num_trainings: int
    """Trainings that the sweep asks for: cells x seeds."""
    num_reused: int
    """Those of them that were there already."""
    report: str | None
    """Path of the sweep's page; None where it was not written."""

    @property
    def is_complete(self) -> bool:
        """Whether every cell finished and every environment was judged."""
        return not self.failed and all(self.verdicts.values())


def sweep_outcome(installation: Installation, sweep_event: Event) -> SweepOutcome:
    """Look up what became of a materialization of `sweep_configs`."""
    demand = read_demand(installation.log)
    evaluated = installation.log.latest_ids("policy_evaluations")
    cells = [cell_key(env, hparam) for env in envs_of(sweep_event) for hparam in hparams_of(sweep_event, env)]
    finished = tuple(key for key in cells if evaluated.get(key, 0) > sweep_event.event_id)
    stops = {key: installation.log.latest_stop("trained_policies", key) for key in cells if key not in finished}
    stopped = {key: stop[1] for key, stop in stops.items() if stop is not None and stop[0] > sweep_event.event_id}
    verdicts: dict[str, str | None] = {}
    others: dict[str, str] = {}
    reasons: dict[str, tuple[str, ...]] = {}
    for env in envs_of(sweep_event):
        gate = installation.log.latest("gate_evaluations", env)
        board = installation.log.latest("eval_leaderboards", env)
        is_judged = gate is not None and answers(gate, board, demand)
        verdicts[env] = gate.metadata["rl/verdict"] if gate is not None and is_judged else None
        decisions = gate_decisions(installation, env) if is_judged else ()
        if gate is not None and is_judged and gate.metadata["candidate"] not in hparams_of(sweep_event, env):
            others[env] = gate.metadata["candidate"]
        reasons[env] = tuple(f"{item.name}: {item.reason}" for item in decisions if item.verdict != "pass")
    report = installation.log.latest("sweep_reports", sweep_event.partition)
    num_trainings = int(sweep_event.metadata["num_members"])
    return SweepOutcome(
        sweep=sweep_event.partition,
        event_id=sweep_event.event_id,
        finished=finished,
        stopped=stopped,
        failed=tuple(key for key in cells if key not in finished and key not in stopped),
        verdicts=verdicts,
        others=others,
        reasons=reasons,
        num_trainings=num_trainings,
        num_reused=_count_reused(installation, finished, num_seeds=num_trainings // len(cells), since=sweep_event),
        report=report.metadata["page"] if report is not None and report.event_id > sweep_event.event_id else None,
    )


def _count_reused(installation: Installation, cells: Sequence[str], *, num_seeds: int, since: Event) -> int:
    """How many of the finished cells' trainings were there before the sweep was launched."""
    trained = installation.log.newest("trained_policies")
    return sum(num_seeds - len(_new_seeds(installation, trained[key], since=since)) for key in cells)


def _new_seeds(installation: Installation, trained: Event, *, since: Event) -> set[int]:
    """Seeds that a cell's newest materialization has and the one that it went on from has not."""
    if trained.event_id < since.event_id or REUSED_KEY in trained.metadata:
        return set()
    earlier = (
        installation.log.at(read.asset, str(read.partition), read.event_id)
        for read in trained.inputs or ()
        if (read.asset, read.partition) == (trained.asset, trained.partition)
    )
    return set(trained.metadata[SEEDS_KEY]).difference(*(event.metadata[SEEDS_KEY] for event in earlier))

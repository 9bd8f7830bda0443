"""In which order the cells of a run train: parents before those that start from them."""

from collections.abc import Mapping

from rl_assets.defs.partitions import cell_key
from rl_assets.resources.demand import parent_of
from rl_assets.resources.event_log import Event

Cells = Mapping[str, Mapping[str, Event]]
"""Env key -> hparam key -> the sweep that asks."""


def in_levels(cells: Cells) -> list[dict[str, dict[str, Event]]]:
    """Cut the cells of a run into levels: none starts from another of its own level or of a later one.

    A parent that is no cell of the run counts for nothing; environments and cells keep their order.
    """
    parents = {
        cell_key(env, hparam): parent_of(sweep, env, hparam)
        for env, own in cells.items()
        for hparam, sweep in own.items()
    }
    depths: dict[str, int] = {}

    def depth_of(cell: str) -> int:
        """How many cells of the run lie between a cell and the beginning of its chain."""
        chain = [cell]
        while chain[-1] not in depths and parents[chain[-1]] in parents:
            chain.append(str(parents[chain[-1]]))
        for above in reversed(chain):
            depths.setdefault(above, depths[str(parents[above])] + 1 if parents[above] in parents else 0)
        return depths[cell]

    levels: list[dict[str, dict[str, Event]]] = []
    for env, own in cells.items():
        for hparam, sweep in own.items():
            depth = depth_of(cell_key(env, hparam))
            while len(levels) <= depth:
                levels.append({})
            levels[depth].setdefault(env, {})[hparam] = sweep
    return levels


def describe_levels(levels: list[dict[str, dict[str, Event]]]) -> str:
    """The order of a run in one line."""
    counts = [sum(len(own) for own in level.values()) for level in levels]
    return (
        f"this run trains {len(levels)} levels, one after the other, each starting from the one before: "
        + ", then ".join(f"{count} {'recipe' if count == 1 else 'recipes'}" for count in counts)
    )

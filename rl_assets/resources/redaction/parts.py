"""What part of a run was for the erased: all of it, some of it, or only words."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from rl_assets.resources.redaction.doomed import Doomed
from rl_assets.resources.redaction.names import Names
from rl_assets.resources.redaction.rows import MADE, LoggedRow

Part = Literal["all", "some", "words"]

CELLS_TAG = "rl/cells"
RANGE_TAGS = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
PARTITION_TAG = "dagster/partition"
PLAIN_TAGS = frozenset({"rl/assets", "rl/driver", "dagster/sensor_name", "dagster/partition_set"})
"""Tags that hold words of the program alone."""


@dataclass(frozen=True, kw_only=True)
class RunPart:
    """One run that an erasure touches."""

    run_id: str
    part: Part
    kept: tuple[str, ...] = ()
    """Partitions of others that it served, in Dagster's order; for a cell also its recipe."""


def judge_run(run_id: str, rows: Iterable[LoggedRow], tags: Mapping[str, str], doomed: Doomed) -> RunPart | None:
    """What part of a run was for the erased; None where nothing was.

    A run served a partition of others if something that it made of it stays, or if it meant to make something of it
    and made nothing at all, unless it made something of the same partition that goes.

    Args:
        run_id: empty for what was logged outside of any run; of that, no more than rows ever goes.
        rows: what it logged about assets.
        tags: of the run; none where Dagster does not know it any more.
        doomed: what goes.
    """
    made: dict[tuple[str, str | None], list[bool]] = {}
    meant: dict[tuple[str, str | None], None] = {}
    tainted: set[str | None] = set()
    goes_any = False
    for row in rows:
        goes = row.goes(doomed)
        goes_any = goes_any or goes
        place = (row.asset, row.partition)
        meant.setdefault(place)
        if row.kind in MADE:
            made.setdefault(place, []).append(goes)
            if goes:
                tainted.add(row.partition)
    kept: dict[str | None, None] = {}
    for asset, partition in meant:
        stays = not all(made[asset, partition]) if (asset, partition) in made else partition not in tainted
        if stays and not doomed.holds_partition(asset, partition):
            kept.setdefault(partition)
    if not goes_any:
        named = names_in_tags(tags, doomed.spoken)
        if not named:
            return None
        others = [key for key in asked_for(tags) if not doomed.spoken.stand_in(key)]
        if meant or others:
            return RunPart(run_id=run_id, part="some", kept=_with_recipes([*kept, *others], tainted, doomed))
        return RunPart(run_id=run_id, part="all")
    if kept or not run_id:
        return RunPart(run_id=run_id, part="some", kept=_with_recipes(kept, tainted, doomed))
    return RunPart(run_id=run_id, part="all")


def names_in_tags(tags: Mapping[str, str], names: Names) -> bool:
    """Whether the tags of a run speak of any of the names."""
    return any(names.are_meant_in(value) for key, value in tags.items() if key not in PLAIN_TAGS)


def asked_for(tags: Mapping[str, str]) -> list[str]:
    """The partitions that the tags of a run name."""
    found = [tags[key] for key in (PARTITION_TAG, *RANGE_TAGS) if key in tags]
    try:
        cells = json.loads(tags.get(CELLS_TAG, "{}"))
        found += [f"{env}|{hparam}" for env, hparams in cells.items() for hparam in hparams]
    except (ValueError, AttributeError, TypeError):
        pass  # a tag of somebody else's
    return list(dict.fromkeys(found))


def _with_recipes(kept: Iterable[str | None], tainted: Iterable[str | None], doomed: Doomed) -> tuple[str, ...]:
    """Names that tell of others alone: no key of an env, which both have in common."""
    gone = {part for key in (*tainted, *doomed.names) if key and "|" in key for part in key.split("|")}
    found: dict[str, None] = {}
    for key in kept:
        for name in (key, *(key.split("|")[1:] if key else ())):
            if name and name not in gone and not doomed.spoken.stand_in(name):
                found.setdefault(name)
    return tuple(found)

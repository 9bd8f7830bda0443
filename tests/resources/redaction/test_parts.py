"""Which runs go, which stay without some rows, and which are left alone."""

import pytest

from rl_assets.resources.redaction.doomed import Doomed
from rl_assets.resources.redaction.parts import Part, judge_run
from rl_assets.resources.redaction.rows import LoggedRow

A, B = "CartPole-v1|ppo-aaaaaaaaaa", "CartPole-v1|ppo-bbbbbbbbbb"
DOOMED = Doomed(
    events={"trained_policies": frozenset({1}), "eval_leaderboards": frozenset({5})},
    partitions={"trained_policies": frozenset({A})},
    names=frozenset({A, "ppo-aaaaaaaaaa", "acme"}),
)


def made(number: int, asset: str, partition: str) -> LoggedRow:
    return LoggedRow(id=number, run_id="r", kind="ASSET_MATERIALIZATION", asset=asset, partition=partition)


def meant(number: int, asset: str, partition: str) -> LoggedRow:
    return LoggedRow(id=number, run_id="r", kind="ASSET_MATERIALIZATION_PLANNED", asset=asset, partition=partition)


@pytest.mark.parametrize(
    ("rows", "tags", "part", "kept"),
    [
        ([meant(8, "trained_policies", A), made(1, "trained_policies", A)], {}, "all", ()),
        ([meant(8, "trained_policies", A)], {}, "all", ()),
        ([made(1, "trained_policies", A), made(2, "trained_policies", B)], {}, "some", (B, "ppo-bbbbbbbbbb")),
        ([meant(8, "trained_policies", A), meant(9, "trained_policies", B)], {}, "some", (B, "ppo-bbbbbbbbbb")),
        ([made(2, "trained_policies", B)], {}, None, ()),
        # Of an env that both have in common, the ranking goes; the gate that was meant to follow made nothing.
        ([made(5, "eval_leaderboards", "CartPole-v1"), meant(6, "gate_evaluations", "CartPole-v1")], {}, "all", ()),
        ([made(7, "eval_leaderboards", "CartPole-v1")], {}, None, ()),
        ([], {"rl/sweep": "acme"}, "all", ()),
        ([], {"dagster/partition": "ppo-x", "rl/assets": "acme"}, None, ()),
        ([], {"rl/cells": f'{{"CartPole-v1": ["ppo-aaaaaaaaaa", "{B[12:]}"]}}'}, "some", (B, "ppo-bbbbbbbbbb")),
        ([], {"rl/cells": '{"CartPole-v1": ["ppo-aaaaaaaaaa"]}'}, "all", ()),
        ([], {}, None, ()),
    ],
)
def test_a_run_goes_where_it_served_nobody_else(
    rows: list[LoggedRow], tags: dict[str, str], part: Part | None, kept: tuple[str, ...]
) -> None:
    judged = judge_run("r", rows, tags, DOOMED)
    assert (None if judged is None else (judged.part, judged.kept)) == (None if part is None else (part, kept))


def test_what_was_logged_outside_of_runs_never_goes_as_a_whole() -> None:
    judged = judge_run("", [made(1, "trained_policies", A)], {}, DOOMED)
    assert judged is not None
    assert judged.part == "some"


def test_a_check_goes_with_what_it_judged() -> None:
    check = LoggedRow(
        id=9, run_id="r", kind="ASSET_CHECK_EVALUATION", asset="eval_leaderboards", partition="CartPole-v1", target_id=5
    )
    assert check.goes(DOOMED)
    assert not check.goes(Doomed(events={"eval_leaderboards": frozenset({9})})), "9 is its own id"

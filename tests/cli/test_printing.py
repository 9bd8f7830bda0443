"""What a person reads on a terminal of 80 columns."""

from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from rl_assets.api.outcome import SweepOutcome
from rl_assets.cli import printing
from rl_assets.config.sweep import SweepConfig
from rl_assets.config.sweep_plan import plan_sweep

GRIDS = {
    "learning rates": {"learning_rate": [1e-3, 3e-4, 1e-5]},
    "rates and widths": {"learning_rate": [1e-3, 3e-4], "hidden_sizes": [[64, 64], [256, 256, 256]]},
    "one recipe": {},
    "a value at its default": {"num_envs": [8, 16]},
}


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> StringIO:
    shown = StringIO()
    monkeypatch.setattr(printing, "console", Console(file=shown, width=80))
    return shown


def board(grid: dict[str, Any]) -> dict[str, Any]:
    document = {"name": "s", "envs": ["X-v0"], "grid": grid, "fixed": {"num_steps": 64}, "dataset": "d"}
    numbers: dict[str, Any] = {"may_be_best": True, "metrics": {}}
    numbers |= {"mean_return": -1234.56, "ci_low": -1240.3, "ci_high": -1200.1, "worst_seed_return": -1299.9}
    rows = [
        {"rank": rank, "hparam": hparam, "num_seeds": 2, "is_replicated": False, "num_episodes": 200, **numbers}
        for rank, hparam in enumerate(plan_sweep(SweepConfig.parse(document, source="t"), dataset="d").recipes, start=1)
    ]
    return {"env": "X-v0", "champion": rows[0]["hparam"], "rows": rows}


@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS)
def test_no_word_of_a_label_and_no_number_is_cut(terminal: StringIO, grid: dict[str, Any]) -> None:
    answer = board(grid)
    printing.print_leaderboard(answer)
    shown = terminal.getvalue()
    assert "…" not in shown.replace(" … ", "")
    assert shown.count("-1240.3 … -1200.1") == len(answer["rows"])
    words = shown.replace("\N{NO-BREAK SPACE}", " ").split()
    labels = printing.recipe_labels(row["hparam"] for row in answer["rows"])
    for label in labels.values():
        assert set(label.replace("\N{NO-BREAK SPACE}", " ").split()) <= set(words)
    assert len(set(labels.values())) == len(answer["rows"])


def test_words_of_a_label_stand_in_the_order_of_the_key() -> None:
    hparams = [row["hparam"] for row in board(GRIDS["rates and widths"])["rows"]]
    labels = [label.replace("\N{NO-BREAK SPACE}", " ") for label in printing.recipe_labels(hparams).values()]
    assert labels == ["lr=0.001", "lr=0.0003", "lr=0.001 · hidden=256x256x256", "lr=0.0003 · hidden=256x256x256"]


def test_the_star_is_explained_and_rows_left_out_are_counted(terminal: StringIO) -> None:
    printing.print_leaderboard(board({"learning_rate": [n / 1000 for n in range(1, printing.MAX_ROWS + 3)]}))
    assert "★ 1 " in terminal.getvalue()
    assert "★ the recipe of the reigning champion" in terminal.getvalue()
    assert "and 2 more recipes; --json lists all" in terminal.getvalue()


def test_ties_with_the_first_are_marked_and_counted(terminal: StringIO) -> None:
    answer = board(GRIDS["learning rates"])
    answer["rows"][2]["may_be_best"] = False
    printing.print_leaderboard(answer)
    ranks = [line.split()[:2] for line in terminal.getvalue().splitlines() if "lr=" in line]
    assert [" ".join(words) for words in ranks][:1] == ["★ 1"]
    assert [words[0] for words in ranks[1:]] == ["≈2", "3"]
    assert "≈ 1 recipe of 2 cannot be told apart from the first" in terminal.getvalue()


def test_without_ties_no_sign_of_them_is_explained(terminal: StringIO) -> None:
    printing.print_leaderboard(board(GRIDS["one recipe"]))
    assert "≈" not in terminal.getvalue()


def test_metrics_have_columns_of_their_own_and_a_dash_where_a_recipe_has_none(terminal: StringIO) -> None:
    answer = board(GRIDS["learning rates"])
    answer["rows"][0] = answer["rows"][0] | {"metrics": {"action_change": 0.12345}}
    printing.print_leaderboard(answer)
    lines = terminal.getvalue().splitlines()
    assert any(line.rstrip().endswith("action_change") for line in lines)
    ends = [line.split()[-1] for line in lines if "…" in line]
    assert ends == ["0.123"] + ["–"] * (len(answer["rows"]) - 1)


def test_without_a_champion_no_star_is_explained(terminal: StringIO) -> None:
    printing.print_leaderboard(board({}) | {"champion": None})
    assert "★" not in terminal.getvalue()


def test_the_schema_shows_types_bounds_and_defaults_also_of_hyper_parameters(terminal: StringIO) -> None:
    printing.print_fields()
    text = " ".join(terminal.getvalue().split())
    assert "expects" in text
    assert "num_minibatches a whole number from 4" in text
    assert "learning_rate a number above 0 0.001 Adam's step size" in text
    assert "steps_per_epoch" in text, "experiments too"


def test_an_outcome_tells_what_was_there_the_reasons_and_where_the_report_lies(terminal: StringIO) -> None:
    outcome = SweepOutcome(
        stopped={"CartPole-v1|ppo-slow": "stopped at rung 1"},
        sweep="s",
        event_id=1,
        finished=("X-v0|a",),
        failed=(),
        verdicts={"X-v0": "hold", "Y-v0": None},
        others={"X-v0": "ppo-best"},
        reasons={"X-v0": ("beats_champion: [no] spread",), "Y-v0": ()},
        num_trainings=12,
        num_reused=12,
        report=f"/tmp/{'deep/' * 20}sweep-s.html",
    )
    printing.print_outcome(outcome)
    assert terminal.getvalue().splitlines() == [
        "sweep 's': 1 partition finished, 1 stopped early, 0 failed",
        "  12 of 12 trainings were there already",
        "  CartPole-v1|ppo-slow: stopped at rung 1",
        "  X-v0: hold, of 'ppo-best', which leads there for another sweep",
        "    beats_champion: [no] spread",
        "  Y-v0: no verdict",
        f"  report: {outcome.report}",
    ]

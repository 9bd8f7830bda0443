"""Pages in Chromium, at the width of a desk and of a phone: nothing is missing, cut, fetched or complained of."""

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rl_assets.config.sweep import SweepConfig
from rl_assets.config.sweep_plan import SweepPlan, plan_sweep
from rl_assets.reports.leaderboard_page import leaderboard_page
from rl_assets.reports.summary_cards import GateMeans
from rl_assets.reports.sweep_report import SweepReport, sweep_report
from rl_assets.statistics.gates import GateDecision, beats_champion, hold, limit_gate
from rl_assets.statistics.ranking import CellEpisodes, rank_policies
from tests.reports.browser import WIDTHS, Visit, needs_browser, open_browser, visit

pytestmark = needs_browser

MIXED = {"learning_rate": [3e-4, 1e-3, 3e-3, 1e-2], "num_envs": [8, 16], "activation": ["tanh", "relu"]}
HUNDRED = {
    "learning_rate": [float(rate) for rate in np.geomspace(1e-4, 1e-2, 10)],
    "entropy_coefficient": [0.0, 0.003, 0.01, 0.03, 0.1],
    "activation": ["tanh", "relu"],
}
FINE = {
    "learning_rate": [float(rate) for rate in np.geomspace(1e-4, 1e-2, 12)],
    "entropy_coefficient": [float(weight) for weight in np.geomspace(1e-3, 0.1, 12)],
}


def plan_of(grid: dict[str, list[Any]], *, envs: int = 1, seeds: int = 3) -> SweepPlan:
    document = {"name": "seen", "envs": ["CartPole-v1", "Acrobot-v1", "LunarLander-v3"][:envs], "grid": grid}
    document |= {"seeds": seeds, "total_timesteps": 50_000, "dataset": "c-0123456789.d1"}
    return plan_sweep(SweepConfig.parse(document, source="test"), dataset="c-0123456789.d1")


def report_of(plan: SweepPlan, *, has_history: bool = True) -> SweepReport:
    """A sweep in which everything went well in the first env, was held in the second and failed in the third."""
    generator = np.random.default_rng(0)
    steps = 1024 * np.arange(1, 60)
    boards, curves, speeds = {}, {}, {}
    for env in plan.envs:
        cells, curves[env] = {}, {}
        for place, hparam in enumerate(plan.recipes):
            means = generator.normal(300 + place, 20, len(plan.seeds))
            cells[hparam] = CellEpisodes(
                returns=[generator.normal(mean, 20, 10) for mean in means],
                lengths=[np.full(10, 99.0) for _ in means],
                env_steps=150_000,
                steps_per_s=31_234.5,
            )
            curves[env][hparam] = (
                [
                    {"env_steps": steps, "mean_return": mean * (1 - np.exp(-steps / 2e4)), "entropy": 1 / steps}
                    for mean in means
                ]
                if has_history
                else []
            )
        boards[env] = rank_policies(cells)
        speeds[env] = dict.fromkeys(plan.recipes, 31_234.5)
    candidate, champion = generator.normal(480, 20, 100), generator.normal(450, 20, 100)
    outcomes = [
        [limit_gate(candidate, 400.0), beats_champion(candidate, champion)],
        [hold("stability_over_seeds", "the seeds differ by more than the limit " * 3)],
        [
            GateDecision(
                name="meets_floor", verdict="fail", reason="r", numbers={f"a_long_name_{n}": n / 3 for n in range(12)}
            )
        ],
    ]
    decisions = dict(zip(plan.envs, outcomes, strict=False))
    means = [
        GateMeans(candidate=480.0, champion=450.0, is_promoted=True),
        GateMeans(candidate=450.0, champion=455.5, is_promoted=False),
        GateMeans(candidate=10.0, champion=None, is_promoted=False),
    ]
    reign = {"hparam": next(iter(plan.recipes)), "member_seed": 1, "data_version": "ab12" * 16, "generation": 3}
    return SweepReport(
        sweep="seen",
        plan=plan,
        leaderboards=boards,
        curves=curves,
        speeds=speeds,
        decisions=decisions,
        champions={env: reign | {"promoted_at": "2026-01-02T03:04:05+00:00", "reason": "r"} for env in plan.envs},
        gate_means=dict(zip(plan.envs, means, strict=False)),
        lineage={"dataset": "c-0123456789.d1", "commit": "3f2a1b9" * 5},
    )


def random_search() -> SweepReport:
    plan = plan_of(FINE)
    return report_of(plan.model_copy(update={"recipes": dict(list(plan.recipes.items())[::7])}))


def nothing_yet() -> SweepReport:
    empty = dataclasses.replace(report_of(plan_of(MIXED, envs=3)), leaderboards={}, curves={}, speeds={}, decisions={})
    return dataclasses.replace(empty, champions={}, gate_means={}, lineage={})


REPORTS: dict[str, tuple[Callable[[], SweepReport], set[str]]] = {
    "three envs": (
        lambda: report_of(plan_of(MIXED, envs=3)),
        {f"{kind}-{env}" for kind in ("effects", "maps", "curves", "speeds") for env in (1, 2, 3)},
    ),
    "a single run": (lambda: report_of(plan_of({}, seeds=1)), {"curves-1", "speeds-1"}),
    "one hyper-parameter": (
        lambda: report_of(plan_of({"learning_rate": [1e-4, 1e-3, 1e-2]})),
        {"effects-1", "curves-1", "speeds-1"},
    ),
    "a hundred recipes": (lambda: report_of(plan_of(HUNDRED)), {"effects-1", "maps-1", "curves-1", "speeds-1"}),
    "a random search": (random_search, {"effects-1", "maps-1", "curves-1", "speeds-1"}),
    "no history": (lambda: report_of(plan_of(MIXED), has_history=False), {"effects-1", "maps-1", "speeds-1"}),
    "nothing yet": (nothing_yet, set()),
}
"""Name -> how to make the report, and the charts that it has."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with open_browser() as browser:
        yield browser


def check(seen: Visit, *, width: int) -> None:
    """What holds for every page."""
    assert seen.complaints == []
    assert seen.requests == []
    assert seen.scroll_width == width, seen.overflowing[:5]
    assert seen.cut == []
    for selector in (
        ".dots text",
        ".masthead > *",
        ".summary .card > *",
        ".facts div > *",
        ".gates td, .gates tbody th",
    ):
        assert seen.overlapping(selector) == []


@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
@pytest.mark.parametrize("name", REPORTS)
def test_a_sweep_report_is_whole_at_any_width(browser: Any, tmp_path: Path, name: str, width: int) -> None:
    make, charts = REPORTS[name]
    file = tmp_path / "report.html"
    file.write_bytes(sweep_report(make()))
    with visit(browser, file, width=width) as seen:
        check(seen, width=width)
        assert set(seen.plots) == charts
        for place, plot in seen.plots.items():
            assert plot["drawn"] == plot["height"] > 100, place
            assert 250 < plot["width"] <= width, place
            assert plot["marks"] > 0, place
            assert seen.overlapping(f"#{place} :is(.xtick, .ytick, .g-xtitle, .g-ytitle) text") == [], place


@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
def test_names_of_axes_do_not_cover_each_other(browser: Any, tmp_path: Path, width: int) -> None:
    file = tmp_path / "report.html"
    file.write_bytes(sweep_report(report_of(plan_of(HUNDRED))))
    with visit(browser, file, width=width) as seen:
        assert seen.page.locator("#effects-1 .annotation").count() > 10
        assert seen.overlapping("#effects-1 .annotation") == []


def test_a_phone_turns_the_axes_and_a_wider_window_turns_them_back(browser: Any, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_bytes(sweep_report(report_of(plan_of(MIXED))))
    with visit(browser, file, width=WIDTHS["phone"]) as seen:
        narrow = seen.page.evaluate("document.getElementById('effects-1').layout.xaxis.range")
        seen.page.set_viewport_size({"width": WIDTHS["desktop"], "height": 900})
        seen.page.wait_for_function("document.getElementById('effects-1').layout.xaxis.range[1] === 3")
        assert narrow == [-0.04, 1.04]
        check(seen, width=WIDTHS["desktop"])


def test_a_menu_changes_what_a_chart_shows(browser: Any, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_bytes(sweep_report(report_of(plan_of(MIXED))))
    with visit(browser, file, width=WIDTHS["desktop"]) as seen:
        titles = set()
        for number in range(3):
            seen.page.select_option('select[data-chart="maps-1"]', str(number))
            titles.add(
                seen.page.locator("#maps-1 .xtitle").text_content()
                + " over "
                + seen.page.locator("#maps-1 .ytitle").text_content()
            )
        assert len(titles) == 3
        seen.page.select_option('select[data-chart="curves-1"]', label="entropy")
        assert seen.page.locator("#curves-1 .ytitle").text_content() == "entropy of the actions, nats"
        assert seen.complaints == []


def test_a_recipe_can_be_hidden_and_stays_so_when_the_metric_changes(browser: Any, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_bytes(sweep_report(report_of(plan_of({"learning_rate": [1e-3, 1e-2]}))))
    with visit(browser, file, width=WIDTHS["desktop"]) as seen:
        lines = seen.page.locator("#curves-1 .js-line")
        before = lines.count()
        seen.page.click('button[data-series="series-1"]')
        hidden = lines.count()
        seen.page.select_option('select[data-chart="curves-1"]', label="entropy")
        assert 0 < lines.count() == hidden < before


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_what_is_behind_it(browser: Any, tmp_path: Path, scheme: str) -> None:
    """By the contrast that WCAG asks for: 4.5 for what is read, 3 for what accompanies it."""
    file = tmp_path / "report.html"
    file.write_bytes(sweep_report(report_of(plan_of(MIXED, envs=3))))
    script = """(pairs) => {
        const styles = getComputedStyle(document.documentElement);
        const light = (name) => {
            const hex = styles.getPropertyValue(name).trim();
            const [r, g, b] = [1, 3, 5].map(i => parseInt(hex.slice(i, i + 2), 16) / 255)
                .map(c => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
            return 0.2126 * r + 0.7152 * g + 0.0722 * b;
        };
        return pairs.map(([a, b]) => {
            const [x, y] = [light(a), light(b)].sort((p, q) => q - p);
            return (x + 0.05) / (y + 0.05);
        });
    }"""
    read = [(ink, "--card") for ink in ("--ink", "--ink-soft", "--accent", "--pass", "--fail")]
    read += [(f"--{verdict}", f"--{verdict}-soft") for verdict in ("pass", "hold", "fail")]
    seen_beside = [("--ink-faint", "--card"), ("--ink-faint", "--paper")]
    with visit(browser, file, width=WIDTHS["desktop"], scheme=scheme) as seen:
        assert min(seen.page.evaluate(script, read)) >= 4.5
        assert min(seen.page.evaluate(script, seen_beside)) >= 3
        check(seen, width=WIDTHS["desktop"])


@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
@pytest.mark.parametrize("num_recipes", [1, 3, 100])
def test_a_leaderboard_page_is_whole_at_any_width(browser: Any, tmp_path: Path, num_recipes: int, width: int) -> None:
    rates = [float(rate) for rate in np.geomspace(1e-4, 1e-2, num_recipes)]
    rows = report_of(plan_of({"learning_rate": rates})).leaderboards["CartPole-v1"]
    candidate = {"hparam": rows[0].hparam, "member_seed": 2, "selection_mean_return": 321.5, "policy": {"a": "b" * 300}}
    file = tmp_path / "leaderboard.html"
    file.write_bytes(leaderboard_page("CartPole-v1", rows, candidate=candidate))
    with visit(browser, file, width=width) as seen:
        check(seen, width=width)
        assert seen.page.locator("tbody tr").count() == num_recipes
        assert seen.page.locator(".dots circle").count() == min(num_recipes, 40)
        seen.page.click("summary")
        check(seen, width=width)

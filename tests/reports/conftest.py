import dataclasses
from collections.abc import Callable, Sequence
from html.parser import HTMLParser

import numpy as np
import pytest

from rl_assets.config.sweep import SweepConfig
from rl_assets.config.sweep_plan import SweepPlan, plan_sweep
from rl_assets.reports.sweep_report import SweepReport
from rl_assets.statistics.ranking import CellEpisodes, LeaderboardRow, rank_policies

VOID = {"meta", "link", "br", "img", "input"}


class ParsedPage(HTMLParser):
    """A page as a reader meets it: elements, visible text, the cells of its tables; it must be well formed."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.rows: list[list[str]] = []
        self.scripts: list[str] = []
        self.data: dict[str | None, str] = {}
        self._open: list[tuple[str, dict[str, str | None]]] = []
        self._void = set(VOID)
        self.feed(page.decode())
        self.close()
        assert not self._open, f"never closed: {self._open}"

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag in self._void:
            return
        self._open.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])
        if tag in {"td", "th"}:
            self.rows[-1].append("")

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self._open, f"</{tag}> closes nothing"
        assert self._open[-1][0] == tag, f"</{tag}> closes {self._open[-1]}"
        self._open.pop()

    def handle_data(self, data):
        tag, attributes = self._open[-1] if self._open else ("", {})
        if tag == "script" and attributes.get("type"):
            self.data[attributes.get("id")] = data
        elif tag == "script":
            self.scripts.append(data)
        elif tag != "style":
            self.text += data + " "
            if any(name in {"td", "th"} for name, _ in self._open):
                self.rows[-1][-1] += data + " "

    @property
    def table(self) -> list[list[str]]:
        """Cells of all rows with single spaces between words."""
        return [[" ".join(cell.split()) for cell in row] for row in self.rows]

    @property
    def addresses(self) -> list[str]:
        """Whatever an element may fetch or lead to."""
        names = ("src", "href", "srcset", "action", "data", "poster", "xlink:href")
        return [value for _, attributes in self.elements for name in names if (value := attributes.get(name))]


@pytest.fixture
def parse() -> Callable[[bytes], ParsedPage]:
    return ParsedPage


@pytest.fixture
def rows() -> tuple[LeaderboardRow, ...]:
    return rank_policies(
        {
            "ppo-lr=0.001-aaaaaaaaaa": CellEpisodes(
                returns=[[9.0, 11.0], [12.0, 12.0], [10.0, 12.0], [14.0, 14.0], [13.0, 11.0]],
                lengths=[[9, 11], [12, 12], [10, 12], [14, 14], [13, 11]],
            ),
            "ppo-lr=0.01-bbbbbbbbbb": CellEpisodes(returns=[[-5.0, -7.0]]),
        }
    )


@pytest.fixture
def plan() -> SweepPlan:
    document = {
        "name": "small",
        "envs": ["CartPole-v1", "Acrobot-v1"],
        "grid": {"learning_rate": [0.001, 0.01], "num_envs": [8, 16]},
        "seeds": 3,
        "total_timesteps": 5000,
        "dataset": "c-0123456789.d1",
    }
    return plan_sweep(SweepConfig.parse(document, source="test"), dataset="c-0123456789.d1")


def histories(values: Sequence[Sequence[float]]) -> list[dict[str, np.ndarray]]:
    return [{"env_steps": 100 * np.arange(1, len(seed) + 1), "mean_return": np.array(seed)} for seed in values]


@pytest.fixture
def report(plan: SweepPlan) -> SweepReport:
    first, second, third, _ = plan.recipes
    ranked = rank_policies(
        {
            first: CellEpisodes(returns=[[100.0, 104.0], [110.0, 112.0], [90.0, 94.0]], steps_per_s=12345.6),
            second: CellEpisodes(returns=[[50.0, 52.0], [54.0, 56.0], [58.0, 60.0]]),
            third: CellEpisodes(returns=[[20.0, 30.0]]),
        }
    )
    curves = {
        first: histories([[np.nan, 50, 100], [np.nan, 60, 110], [10, 40, 90]]),
        second: histories([[np.nan, np.nan, 52]]),
        third: histories([[np.nan, np.nan, np.nan]]),
    }
    return SweepReport(
        sweep="small",
        plan=plan,
        leaderboards={"CartPole-v1": ranked},
        curves={"CartPole-v1": curves},
        speeds={"CartPole-v1": {first: 12345.6, second: None}},
        decisions={},
        champions={"CartPole-v1": None},
        gate_means={},
        lineage={"dataset": "c-0123456789.d1", "commit": "3f2a1b9"},
    )


@pytest.fixture
def emptied(report: SweepReport) -> SweepReport:
    return dataclasses.replace(report, leaderboards={}, curves={}, speeds={}, champions={}, lineage={})

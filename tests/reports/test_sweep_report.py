import dataclasses
import json
import re

import numpy as np
from plotly.offline import get_plotlyjs

from rl_assets.reports.page import page_file
from rl_assets.reports.sweep_report import sweep_report
from rl_assets.statistics.gates import GateDecision
from rl_assets.statistics.ranking import CellEpisodes, rank_policies


def without_plotly(page: bytes) -> bytes:
    """The library is 5 MB that Python's HTML parser need not read."""
    return page.replace(get_plotlyjs().encode(), b"plotly")


def decision(verdict) -> GateDecision:
    return GateDecision(name="meets_floor", verdict=verdict, reason="so it is", numbers={})


def test_the_report_holds_every_part(parse, report):
    page = parse(without_plotly(sweep_report(report)))
    first, second, third, fourth = report.plan.recipes
    assert "2 environments × 4 recipes × 3 seeds: 24 trainings." in page.text
    assert "1 of 2 environments has been evaluated; of the candidates 1 was not judged." in page.text
    assert "3f2a1b9" in page.text
    assert [row[:3] for row in page.table if row[0].isdigit()] == [
        ["1", f"lr=0.001 · envs=8 {first} unreplicated", "101.67"],
        ["2", f"lr=0.001 · envs=16 {second} unreplicated", "55.00"],
        ["3", f"lr=0.01 · envs=8 {third} unreplicated", "25.00"],
    ]
    assert "Not evaluated: lr=0.01\N{NO-BREAK SPACE}· envs=16." in page.text
    assert "No evaluations yet in Acrobot-v1" in page.text
    assert ["Acrobot-v1", "no evaluations yet", "–", "–", "· not judged", "–"] in page.table
    assert fourth not in page.text


def test_speeds_stand_in_the_table(parse, report):
    table = parse(without_plotly(sweep_report(report))).table
    assert [row[-2] for row in table if row[0].isdigit()] == ["12,346", "–", "–"]


def test_a_speed_that_is_not_a_number_is_unknown(parse, report):
    speeds = {"CartPole-v1": dict.fromkeys(report.plan.recipes, float("nan"))}
    rows = [dataclasses.replace(row, steps_per_s=float("nan")) for row in report.leaderboards["CartPole-v1"]]
    changed = dataclasses.replace(report, speeds=speeds, leaderboards={"CartPole-v1": rows})
    page = parse(without_plotly(sweep_report(changed)))
    assert "Training speed" not in page.text
    assert [row[-2:] for row in page.table if row[0].isdigit()] == [["–", "–"]] * 3


def test_curves_are_drawn_where_an_episode_has_ended(parse, report):
    figures = json.loads(parse(without_plotly(sweep_report(report))).data["figures"])
    assert sorted(figures) == ["curves-1", "effects-1", "maps-1", "speeds-1"]
    traces = figures["curves-1"]["data"]
    assert [trace["legendgroup"] for trace in traces] == ["series-1", "series-1", "series-1", "series-2"]
    assert traces[2]["x"] == [200, 300]
    assert traces[2]["y"] == [50, 100]
    assert traces[3]["y"] == [52]


def test_the_report_works_without_a_network(parse, report):
    data = sweep_report(report)
    page = parse(without_plotly(data))
    assert data.count(get_plotlyjs().encode()) == 1
    assert page.scripts == ["plotly", page_file("charts.js")]
    assert all(address == "data:," or address.startswith("#env-") for address in page.addresses)
    assert not re.search(rb"https?:", without_plotly(data))
    assert not [tag for tag, _ in page.elements if tag in {"iframe", "object", "embed"}]
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {address[1:] for address in page.addresses if address.startswith("#")} <= set(ids)


def test_equal_reports_give_equal_bytes(report):
    assert sweep_report(report) == sweep_report(dataclasses.replace(report))


def test_a_report_of_nothing_yet_says_so(parse, emptied):
    data = sweep_report(emptied)
    page = parse(data)
    assert "24 trainings. No environment has been evaluated yet." in page.text
    assert "No evaluations yet in CartPole-v1" in page.text
    assert page.scripts == []


def test_verdicts_are_counted_in_words(parse, report):
    boards = dict.fromkeys(report.plan.envs, report.leaderboards["CartPole-v1"])
    decisions = {"CartPole-v1": [decision("pass")], "Acrobot-v1": [decision("fail"), decision("hold")]}
    page = parse(without_plotly(sweep_report(dataclasses.replace(report, leaderboards=boards, decisions=decisions))))
    assert "All have been evaluated; of the candidates 1 passed its gates and 1 failed its gates." in " ".join(
        page.text.split()
    )


def test_recipes_of_other_sweeps_are_marked(parse, report):
    first = next(iter(report.plan.recipes))
    stranger = "ppo-lr=0.5-steps=9-0123456789"
    ranked = rank_policies({first: CellEpisodes(returns=[[1.0]]), stranger: CellEpisodes(returns=[[2.0]])})
    page = parse(without_plotly(sweep_report(dataclasses.replace(report, leaderboards={"CartPole-v1": ranked}))))
    (row,) = [row for row in page.table if stranger in " ".join(row)]
    assert row[1] == f"ppo · lr=0.5 · steps=9 {stranger} unreplicated other sweep"


def test_names_and_facts_are_escaped(parse, report):
    nasty = "<img src=x onerror=alert(1)></script>"
    champion = {"hparam": nasty, "member_seed": 0, "data_version": nasty, "promoted_at": nasty, "reason": nasty}
    changed = dataclasses.replace(
        report,
        sweep=nasty,
        lineage={nasty: nasty},
        champions={"CartPole-v1": champion},
        decisions={"CartPole-v1": [GateDecision(name=nasty, verdict="hold", reason=nasty, numbers={nasty: 1})]},
    )
    page = parse(without_plotly(sweep_report(changed)))
    assert not [tag for tag, _ in page.elements if tag == "img"]
    assert page.text.count("onerror=alert(1)") >= 10


def test_a_single_recipe_with_one_seed_and_one_update_is_fine(parse, report):
    hparam, recipe = next(iter(report.plan.recipes.items()))
    plan = report.plan.model_copy(
        update={"recipes": {hparam: recipe}, "envs": {"CartPole-v1": report.plan.envs["CartPole-v1"]}, "seeds": (0,)}
    )
    curves = {"CartPole-v1": {hparam: [{"env_steps": np.array([8]), "mean_return": np.array([1.5])}]}}
    boards = {"CartPole-v1": rank_policies({hparam: CellEpisodes(returns=[[1.0]])})}
    page = parse(
        without_plotly(sweep_report(dataclasses.replace(report, plan=plan, curves=curves, leaderboards=boards)))
    )
    assert "1 environment × 1 recipe × 1 seed: 1 training. Its candidate has not been judged yet." in page.text
    assert "is the only recipe in CartPole-v1" in page.text

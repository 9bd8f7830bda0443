import dagster as dg
import pytest

from rl_assets.resources.event_log import EventLog
from rl_assets.resources.stages import awaiting_promotion, newest_by_env


def test_the_newest_event_of_each_env_is_found_over_its_cells():
    assert newest_by_env({}) == {}
    assert newest_by_env({"A|x": 3, "A|y": 7, "B|x": 5, "A|z": 2}) == {"A": 7, "B": 5}


@pytest.fixture
def log():
    with dg.DagsterInstance.ephemeral() as instance:
        yield EventLog(instance)


def judge(log: EventLog, env: str, *, verdict: str, version: str) -> None:
    log.instance.report_runless_asset_event(
        dg.AssetMaterialization(
            asset_key="gate_evaluations",
            partition=env,
            metadata={"rl/verdict": verdict},
            tags={"dagster/data_version": version},
        )
    )


def promote(log: EventLog, env: str, *verdicts: str) -> None:
    for verdict in verdicts:
        log.instance.report_runless_asset_event(
            dg.AssetMaterialization(asset_key="promoted_models", partition=env, metadata={"verdict_id": verdict})
        )


def test_a_pass_awaits_promotion_until_any_promotion_acted_on_it(log: EventLog):
    for env in ("new", "acted", "later", "other"):
        judge(log, env, verdict="pass", version=f"verdict of {env}")
    judge(log, "held", verdict="hold", version="verdict of held")
    promote(log, "acted", "an older one", "verdict of acted")
    promote(log, "later", "verdict of later", "one by hand", "another by hand")
    promote(log, "other", "verdict of acted", "one by hand")
    assert awaiting_promotion(log.newest("gate_evaluations"), log) == {"new", "other"}


def test_nothing_judged_awaits_nothing(log: EventLog):
    assert awaiting_promotion({}, log) == frozenset()

"""Datasets whose last day has passed are named, planned, and erased where that is allowed."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from rl_assets import api
from rl_assets.api.erasing import carry_out
from rl_assets.api.installation import Installation
from rl_assets.datasets.terms import DatasetTerms
from rl_assets.defs.sensors.retention_due import RETENTION_KEY, retention_due
from rl_assets.errors import RoleMissing
from rl_assets.resources.actors import Actor
from rl_assets.resources.configured import ErasuresResource
from rl_assets.resources.erasing.estate import Estate
from tests.defs.test_erasure import ALICE
from tests.defs.two_clients import ACME, ACME_TWO, ROLES

YESTERDAY = (datetime.now(UTC) - timedelta(days=1)).date()


def expire(used: Installation, words: dict[str, str]) -> None:
    """The last day of a dataset was yesterday."""
    used.register.add_dataset(**words, terms=DatasetTerms(retain_until=YESTERDAY))


@contextmanager
def context_of(used: Installation, cursor: str | None = None) -> Iterator[dg.SensorEvaluationContext]:
    with dg.build_sensor_context(used.instance, cursor=cursor) as context:
        yield context


def look(used: Installation, cursor: str | None = None) -> tuple[str, str]:
    """What the sensor says, and its cursor afterwards."""
    home = used.home
    resource = ErasuresResource(
        root=str(home.root), state=str(home.state), store_url=home.store_url, erasures=str(home.erasures_folder)
    )
    with context_of(used, cursor) as context:
        result = retention_due(context, erasures=resource)
        assert isinstance(result, dg.SensorResult)
        assert result.skip_reason is not None
        return str(result.skip_reason.skip_message), result.cursor or ""


def shown(used: Installation, key: str) -> list[str]:
    page = used.instance.fetch_observations(
        dg.AssetRecordsFilter(asset_key=dg.AssetKey("datasets"), asset_partitions=[key]), limit=10
    )
    records = [record.asset_observation for record in page.records]
    return [str(item.metadata["plan"].value) for item in records if item is not None and RETENTION_KEY in item.metadata]


def test_nothing_has_expired(used: Installation) -> None:
    assert look(used)[0] == "no dataset has expired"


def test_a_dataset_whose_last_day_has_passed_is_planned_and_shown_once(
    used: Installation, keys: dict[str, str]
) -> None:
    expire(used, ACME_TWO)
    said, cursor = look(used)
    (plan_id,) = shown(used, keys["acme.d2"])
    assert said == f"{keys['acme.d2']}: expired on {YESTERDAY}; rlctl erase --confirm {plan_id}"
    assert look(used, cursor)[0] == said
    assert shown(used, keys["acme.d2"]) == [plan_id]
    assert api.list_erasures(used) == []
    outcome = api.confirm_erasure(used, plan_id, actor=ALICE)
    assert outcome["certificate"] == 1, "retention planned it, so one person confirms it as the second"
    assert used.log.latest("datasets", keys["acme.d2"]) is None
    assert look(used, cursor)[0] == "no dataset has expired"


def test_a_held_dataset_is_named_and_kept(used: Installation, keys: dict[str, str]) -> None:
    expire(used, ACME_TWO)
    api.place_hold(used, ACME["client_id"], reason="case 7", dataset=keys["acme.d2"])
    assert look(used)[0] == f"{keys['acme.d2']}: expired on {YESTERDAY}, kept by a legal hold"
    assert shown(used, keys["acme.d2"]) == []


def test_where_the_roles_let_it_an_expired_dataset_is_ordered_and_erased(
    used: Installation, keys: dict[str, str]
) -> None:
    expire(used, ACME_TWO)
    (Path(used.home.root) / "roles.yaml").write_text(ROLES + "retention_erases: true\n")
    said, cursor = look(used)
    (order,) = Estate(home=used.home, instance=used.instance).ledger.unfinished()
    assert said == f"{keys['acme.d2']}: expired on {YESTERDAY}; order {order.order_id}"
    look(used, cursor)
    assert len(api.list_erasures(used)) == 1, "ordered once"
    done = carry_out(used, order, on_event=lambda _: None)
    assert done["certificate"] == 1
    assert used.log.latest("datasets", keys["acme.d2"]) is None


def test_a_plan_of_retention_needs_somebody_with_the_role(used: Installation, keys: dict[str, str]) -> None:
    expire(used, ACME_TWO)
    look(used)
    (plan_id,) = shown(used, keys["acme.d2"])
    with pytest.raises(RoleMissing, match="role 'eraser'"):
        api.confirm_erasure(used, plan_id, actor=Actor(name="mallory"))
    assert used.log.latest("datasets", keys["acme.d2"]) is not None

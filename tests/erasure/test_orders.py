import json
from dataclasses import replace

import pytest

from rl_assets.erasure.orders import Order, draw_order_id
from rl_assets.errors import ErasureRefused
from tests.erasure.certified_orders import DIGEST_KEY, order
from tests.erasure.lineage_logs import made
from tests.erasure.test_planning import planned, two_clients


@pytest.mark.parametrize(
    "fields", [{}, {"confirmed_by": None}, {"replays": "e-0000000009"}, {"adds_to": "e-0000000009"}]
)
def test_an_order_survives_json(fields: dict):
    whole = order(**fields)
    assert Order.from_json(json.loads(json.dumps(whole.to_json()))) == whole


def test_an_order_does_not_show_its_key():
    assert DIGEST_KEY.hex() not in repr(order())
    assert repr(DIGEST_KEY) not in repr(order())


def test_drawn_ids_differ_and_are_taken():
    ids = {draw_order_id() for _ in range(100)}
    assert len(ids) == 100
    assert {order(order_id).order_id for order_id in ids} == ids


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"order_id": "../e"}, "ten hex digits"),
        ({"replays": "e-1"}, "ten hex digits"),
        ({"ordered_at": "2026-01-02T03:04:05"}, "time zone"),
        ({"digest_key": b"short"}, "32 bytes"),
    ],
)
def test_a_malformed_order_is_refused(fields: dict, reason: str):
    with pytest.raises(ErasureRefused, match=reason):
        order(**fields)


def test_an_undecided_plan_is_no_order():
    old = replace(made(30, "trained_policies", "Pong-v5|ppo-old"), inputs=None)
    with pytest.raises(ErasureRefused, match="leaves open"):
        order(plan=planned([*two_clients(), old]))


def test_what_is_no_order_is_refused():
    with pytest.raises(ErasureRefused, match="missing, unknown or malformed"):
        Order.from_json({**order().to_json(), "client": "ACME"})
    with pytest.raises(ErasureRefused, match="missing, unknown or malformed"):
        Order.from_json({"order_id": "e-0000000001"})

"""Erasures that a kill left unfinished, or that a restored backup undid: carry them out."""

import time

import dagster as dg

from rl_assets.defs.assets.erasures import erasure_certificates
from rl_assets.resources.activity import Activity, graph_of
from rl_assets.resources.configured import ErasuresResource
from rl_assets.resources.erasing.accounts import report_request
from rl_assets.resources.erasing.replaying import due_orders, entomb_again

AGAIN_AFTER_S = 600
"""How long an order that did not get through is left alone."""


@dg.sensor(
    asset_selection=dg.AssetSelection.assets(erasure_certificates),
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def erasures_due(context: dg.SensorEvaluationContext, erasures: ErasuresResource) -> dg.SensorResult | dg.SkipReason:
    """Request the certificates of orders in the ledger that are not finished, and of finished ones that came undone.

    An order that a process is at work on is left to it.
    """
    estate = erasures.open(context.instance)
    entomb_again(estate.home)
    due = {
        order.order_id: order for order in (*due_orders(estate, on_event=context.log.info), *estate.ledger.unfinished())
    }
    if not due:
        return dg.SkipReason("every order in the ledger is carried out")
    at_work = Activity(context.instance, graph_of(context)).partitions_in_work("erasure_certificates")
    for order in due.values():
        report_request(estate, order)
    return dg.SensorResult(
        run_requests=[
            dg.RunRequest(
                run_key=f"erase/{order_id}/{int(time.time()) // AGAIN_AFTER_S}",
                partition_key=order_id,
                asset_selection=[erasure_certificates.key],
            )
            for order_id in due
            if order_id not in at_work
        ]
    )

"""Datasets whose last day has passed: name them, plan their erasure, and order it where that is allowed."""

from datetime import UTC, datetime

import dagster as dg

from rl_assets.resources.configured import ErasuresResource
from rl_assets.resources.erasing.retention import expired_datasets, order_expired, plan_expired

EVERY_S = 3600
RETENTION_KEY = "rl/retention"


@dg.sensor(minimum_interval_seconds=EVERY_S, default_status=dg.DefaultSensorStatus.RUNNING, target=None)
def retention_due(context: dg.SensorEvaluationContext, erasures: ErasuresResource) -> dg.SensorResult:
    """List datasets that may not be kept any longer; each is planned once, and shown on the dataset's page.

    `erasures_due` carries out what is ordered. The cursor says which datasets were shown with which plan.
    """
    estate, now = erasures.open(context.instance), datetime.now(UTC)
    expired = expired_datasets(estate, now=now)
    said = set((context.cursor or "").split())
    lines = []
    for item in expired:
        if item.is_held:
            lines.append(f"{item.dataset}: expired on {item.retain_until}, kept by a legal hold")
            continue
        plan = plan_expired(estate, item, now=now)
        order = order_expired(estate, plan, now=now, on_event=context.log.warning)
        what = f"order {order.order_id}" if order is not None else f"rlctl erase --confirm {plan.plan_id}"
        lines.append(f"{item.dataset}: expired on {item.retain_until}; {what}")
        if plan.plan_id not in said:
            context.instance.report_runless_asset_event(
                dg.AssetObservation(
                    asset_key=dg.AssetKey("datasets"),
                    partition=item.dataset,
                    metadata={RETENTION_KEY: f"may not be kept since {item.retain_until}", "plan": plan.plan_id},
                )
            )
            said.add(plan.plan_id)
    for line in lines:
        context.log.warning(line)
    return dg.SensorResult(skip_reason="; ".join(lines) or "no dataset has expired", cursor=" ".join(sorted(said)))

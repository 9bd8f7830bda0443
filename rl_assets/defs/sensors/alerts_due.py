"""Something happened that people want to know: tell them."""

import dagster as dg

from rl_assets.errors import InvalidConfig
from rl_assets.resources.configured import AlertsResource


@dg.sensor(minimum_interval_seconds=15, default_status=dg.DefaultSensorStatus.RUNNING, target=None)
def alerts_due(context: dg.SensorEvaluationContext, alerts: AlertsResource) -> dg.SkipReason:
    """Tell each receiver of `alerts.yaml` of promotions, holds and failures since it was last told.

    How far each is told stands in the instance, not in this sensor's cursor, as commands without a daemon tell too.
    """
    try:
        deliveries = alerts.open(context.instance).tell()
    except InvalidConfig as error:
        context.log.error(str(error))
        return dg.SkipReason(f"nothing was sent, and nothing is lost: {error}")
    for name, delivery in deliveries.items():
        if delivery.failure is not None:
            context.log.warning(f"receiver '{name}' waits: {delivery.failure}")
    if not deliveries:
        return dg.SkipReason("there is no alerts.yaml, so nobody is told")
    waiting = [name for name, delivery in deliveries.items() if delivery.failure is not None]
    return dg.SkipReason(
        f"{sum(delivery.num_sent for delivery in deliveries.values())} alerts sent to {len(deliveries)} receivers"
        + (f"; {', '.join(waiting)} could not be reached and will be told later" if waiting else "")
    )

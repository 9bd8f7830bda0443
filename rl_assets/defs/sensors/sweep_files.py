"""A sweep file appeared in `sweeps/`: make its key known, so that it can be materialized from the UI."""

import dagster as dg

from rl_assets.config.keys import check_key
from rl_assets.defs.partitions import SWEEPS
from rl_assets.errors import BadInput
from rl_assets.resources.configured import ClientsResource, SweepsResource


@dg.sensor(minimum_interval_seconds=30, default_status=dg.DefaultSensorStatus.RUNNING, target=None)
def sweep_files_appeared(
    context: dg.SensorEvaluationContext, sweeps: SweepsResource, clients: ClientsResource
) -> dg.SensorResult | dg.SkipReason:
    """Add the partition keys of new sweep files; a wrong file is named and left alone."""
    filed, wrong = sweeps.open().filed()
    for error in wrong.values():
        context.log.warning(str(error))
    register = clients.open()
    known = set(context.instance.get_dynamic_partitions("sweep"))
    new = []
    for name in filed:
        try:
            register.refuse_client_names(check_key(name, kind="sweep"), field="name")
        except BadInput as error:
            context.log.warning(str(error))
            continue
        if name not in known:
            new.append(name)
    if not new:
        return dg.SkipReason(f"{len(filed)} sweep files, none new, {len(wrong)} wrong")
    return dg.SensorResult(dynamic_partitions_requests=[SWEEPS.build_add_request(new)])

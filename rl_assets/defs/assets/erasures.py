"""Erasures: what was ordered, and the certificate of what was done."""

import dagster as dg

from rl_assets.defs.partitions import ERASURES
from rl_assets.resources.configured import ErasuresResource
from rl_assets.resources.erasing.accounts import describe_certificate
from rl_assets.resources.erasing.execution import execute_order

erasure_requests = dg.AssetSpec(
    "erasure_requests",
    partitions_def=ERASURES,
    group_name="compliance",
    owners=["team:data-governance"],
    kinds={"json"},
    description=(
        "An erasure that was planned and confirmed: how much of which asset goes, whose champions are replaced, and "
        "whether a second person confirmed it. Written by `rlctl erase --confirm`; pseudonyms and numbers alone."
    ),
)


@dg.asset(
    partitions_def=ERASURES,
    deps=[erasure_requests],
    group_name="compliance",
    owners=["team:data-governance"],
    kinds={"json"},
    retry_policy=dg.RetryPolicy(max_retries=2, delay=5),
    description=(
        "The certificate of an erasure, signed and chained to the one before: what was removed, and that nothing of it "
        "was found afterwards. Materializing it carries out the order, or what is not done of it; an order that is "
        "finished is only told again. `rlctl verify` checks it without this installation."
    ),
)
def erasure_certificates(context: dg.AssetExecutionContext, erasures: ErasuresResource) -> dg.MaterializeResult:
    """Carry out an order that stands in the ledger, and publish its certificate."""
    estate = erasures.open(context.instance)
    certificate, retraining = execute_order(estate, context.partition_key, on_event=context.log.info)
    return dg.MaterializeResult(
        metadata=describe_certificate(estate, certificate, retraining),
        data_version=dg.DataVersion(certificate.sha256),
    )

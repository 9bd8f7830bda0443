"""What the UI shows of an erasure: numbers, digests and who certified it, and nothing about whom."""

from typing import Any

import dagster as dg

from rl_assets.erasure.certificate import Certificate
from rl_assets.erasure.orders import Order
from rl_assets.resources.erasing.estate import Estate
from rl_assets.resources.erasing.retraining import RetrainingPlan

REQUESTS = "erasure_requests"


def describe_order(order: Order) -> dict[str, Any]:
    """Metadata of a request."""
    plan = order.plan
    return {
        "scope": plan.scope.kind,
        "plan": plan.plan_id,
        "ordered_at": order.ordered_at,
        "requested_by": order.requested_by.name,
        "confirmed_by": order.confirmed_by.name if order.confirmed_by else "the same person",
        "second_actor": order.has_second_actor,
        "num_materializations": len(plan.erased),
        "champions": ", ".join(f"{change.env}: {change.action.replace('_', ' ')}" for change in plan.promoted_now)
        or "none in production",
        "erased": _counts(plan.counts),
        "rl/inputs": dg.MetadataValue.json([]),
    }


def describe_certificate(estate: Estate, certificate: Certificate, retraining: RetrainingPlan) -> dict[str, Any]:
    """Metadata of a certificate."""
    body = certificate.body
    return {
        "certificate": dg.MetadataValue.json({"certificate": body, "signature": certificate.signature.hex()}),
        "number": certificate.number,
        "sha256": certificate.sha256,
        "instance": body["instance_id"],
        "file": dg.MetadataValue.path(str(estate.ledger.folder / "certificates" / f"{certificate.number:06d}.json")),
        "erased": _counts(body["erased"]),
        "searched": dg.MetadataValue.table(
            [dg.TableRecord({name: scan[name] for name in _SEARCHED}) for scan in body["verification"]],
            schema=dg.TableSchema([dg.TableColumn(name) for name in _SEARCHED]),
        ),
        "policies_to_retrain": sum(len(item.cells) for item in retraining.items),
        "rl/inputs": dg.MetadataValue.json([]),
    }


def report_request(estate: Estate, order: Order) -> None:
    """Show an order in the UI; one that is shown already is not shown again."""
    instance = estate.instance
    if order.order_id not in instance.get_dynamic_partitions("erasure"):
        instance.add_dynamic_partitions("erasure", [order.order_id])
    if estate.log.latest(REQUESTS, order.order_id) is None:
        instance.report_runless_asset_event(
            dg.AssetMaterialization(
                asset_key=dg.AssetKey(REQUESTS), partition=order.order_id, metadata=describe_order(order)
            )
        )


_SEARCHED = ("what", "num_scanned", "size_bytes", "hits")


def _counts(counts: Any) -> dg.TableMetadataValue:
    return dg.MetadataValue.table(
        [dg.TableRecord({"asset": asset, "materializations": number}) for asset, number in counts.items()],
        schema=dg.TableSchema([dg.TableColumn("asset"), dg.TableColumn("materializations", "int")]),
    )

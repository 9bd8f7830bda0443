"""Erasing a client, datasets or a data subject: the plan, its confirmation, the certificate, and training again."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg

from rl_assets.api.drive import drive, error_of, execute, has_daemon, reason_of, tell_receivers
from rl_assets.api.installation import Installation
from rl_assets.api.sweeps import run_sweep
from rl_assets.config.sweep import SweepConfig
from rl_assets.defs.partitions import ERASURES, add_keys
from rl_assets.erasure.certificate import Certificate, verify
from rl_assets.erasure.keys import PublicKey
from rl_assets.erasure.ledger import Ledger
from rl_assets.erasure.orders import Order, OrderActor
from rl_assets.erasure.plan import ErasurePlan
from rl_assets.erasure.requests import PlanRequest
from rl_assets.errors import BadInput, CertificateRejected, ErasureError, ErasureRefused
from rl_assets.resources.actors import Actor, os_user
from rl_assets.resources.erasing.accounts import report_request
from rl_assets.resources.erasing.census import Wish, make_plan, wish_client, wish_datasets, wish_subject
from rl_assets.resources.erasing.deletion import with_sizes
from rl_assets.resources.erasing.estate import Estate
from rl_assets.resources.erasing.execution import heard_by
from rl_assets.resources.erasing.places import source_places
from rl_assets.resources.erasing.retraining import RetrainingItem, RetrainingPlan
from rl_assets.resources.home import find_home

ROLE = "eraser"
CERTIFICATES = "erasure_certificates"


def plan_erasure(
    installation: Installation,
    *,
    client: str | None = None,
    datasets: Iterable[str] = (),
    subject: str | None = None,
    include_possibly_affected: bool | None = None,
    actor: Actor | None = None,
) -> dict[str, Any]:
    """Say exactly what an erasure would take; changes nothing but that the plan can be confirmed by its id.

    Args:
        installation: where.
        client: name or pseudonym; all its data goes where neither datasets nor a subject are named.
        datasets: keys of datasets of one client.
        subject: a data subject as the column `subject` names it; needs the client or the datasets.
        include_possibly_affected: whether materializations of unrecorded origin go too; None leaves it open, and a plan
            that leaves it open cannot be confirmed.
        actor: who asks; None: the operating system's user, as a claim.

    Returns:
        The plan as `ErasurePlan.to_json`, with `describes` (what is to go, in a few words), `counts` by asset, `holds`
        that forbid it, `source_places` that stay with the client, `requested_by` and `needs_second_actor`.

    Raises:
        BadInput: what is to go is not named, does not exist, or cannot be taken out.
        RoleMissing: the actor may not plan erasures.
    """
    estate = _estate(installation)
    asking = actor or os_user()
    estate.roles.require(asking, ROLE, to="plan an erasure")
    wish = _wish(estate, client=client, datasets=tuple(datasets), subject=subject)
    plan = with_sizes(estate, make_plan(estate, wish, include_possibly_affected=include_possibly_affected))
    request = estate.requests.keep(
        PlanRequest(
            plan=plan,
            requested_by=OrderActor(name=asking.name, is_verified=asking.is_verified, role=ROLE),
            requested_at=_now(),
            subject=wish.subject,
        )
    )
    return plan.to_json() | {
        "describes": plan.scope.describe(),
        "counts": plan.counts,
        "holds": _holds(estate, plan),
        "source_places": [str(path) for path in source_places(estate, plan.scope.datasets)],
        "requested_by": request.requested_by.name,
        "has_second_actor_rule": estate.roles.needs_second_actor(),
    }


def confirm_erasure(
    installation: Installation,
    plan_id: str,
    *,
    actor: Actor | None = None,
    on_event: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Carry out exactly the plan of this id; one that was interrupted goes on where it was.

    Args:
        installation: where.
        plan_id: as `plan_erasure` gave it.
        actor: who confirms; None: the operating system's user, as a claim.
        on_event: is told in a sentence what is done.

    Returns:
        `{"order", "certificate", "file", "retraining", "was_finished"}`.

    Raises:
        PlanStale: something was made or changed since the plan was made; nothing was done.
        ErasureRefused: a legal hold forbids it, or the plan leaves something open; nothing was done.
        UnknownPartition: there is no such plan.
        RoleMissing: the actor may not confirm it, or not alone.
        ErasureError, ControlError, StoreError: it began and is not finished; confirm the same plan again.
    """
    estate, tell = _estate(installation), on_event or (lambda _: None)
    confirming = actor or os_user()
    estate.roles.require(confirming, ROLE, to=f"confirm plan {plan_id}")
    order = _order_of(estate, plan_id)
    was_finished = order is not None and estate.ledger.certificate_of(order.order_id) is not None
    if order is None:
        request = estate.requests.find(plan_id)
        _client(estate, request.plan.scope.pseudonym)
        _refuse_held(estate, request.plan)
        first = request.requested_by
        is_second = estate.roles.require_second(confirming, first=first.name, to=f"confirm plan {plan_id}")
        wish = Wish(scope=request.plan.scope, subject=request.subject)
        include = request.plan.include_possibly_affected
        plan = make_plan(estate, wish, include_possibly_affected=include)
        plan.confirm(plan_id, shown=request.plan)
        order = estate.ledger.open_order(
            plan,
            requested_by=first,
            confirmed_by=OrderActor(name=confirming.name, is_verified=confirming.is_verified, role=ROLE)
            if is_second
            else None,
            ordered_at=_now(),
            subject=request.subject,
        )
    return carry_out(installation, order, on_event=tell) | {"was_finished": was_finished}


def carry_out(installation: Installation, order: Order, *, on_event: Callable[[str], None]) -> dict[str, Any]:
    """Let a run of `erasure_certificates` carry an order out in this process, then the sensors rank and report anew.

    Where a daemon lives, its sensors do that.
    """
    estate = _estate(installation)
    report_request(estate, order)
    add_keys(installation.instance, ERASURES, [order.order_id])
    on_event(f"order {order.order_id}")
    with tell_receivers(installation), heard_by(on_event):
        result = execute(installation, assets=[dg.AssetKey(CERTIFICATES)], partition=order.order_id)
        if not result.success:
            raise error_of(result) or ErasureError(f"order '{order.order_id}': {reason_of(result)}")
        if not has_daemon(installation.instance):
            for _ in drive(installation):
                pass
    certificate = estate.ledger.certificate_of(order.order_id)
    assert certificate is not None, "a run that succeeded has appended it"
    return {
        "order": order.order_id,
        "certificate": certificate.number,
        "sha256": certificate.sha256,
        "file": str(estate.ledger.folder / "certificates" / f"{certificate.number:06d}.json"),
        "erased": dict(certificate.body["erased"]),
        "champions": list(certificate.body["champions"]),
        "verification": list(certificate.body["verification"]),
        "retraining": _retraining(estate, order.order_id).to_json(),
    }


def ledger_folder(start: Path | None = None) -> Path:
    """The ledger of the installation that a folder belongs to, the current one by default.

    Raises:
        BadInput: there is no project at or above the folder.
    """
    return find_home(start=start or Path.cwd()).erasures_folder


def list_erasures(installation: Installation) -> list[dict[str, Any]]:
    """Every order with what it is about, how far it is and its certificate, the earliest first."""
    estate = _estate(installation)
    found = []
    for order in estate.ledger.orders():
        certificate = estate.ledger.certificate_of(order.order_id)
        found.append(
            {
                "order": order.order_id,
                "ordered_at": order.ordered_at,
                "scope": order.plan.scope.kind,
                "plan": order.plan.plan_id,
                "num_materializations": len(order.plan.erased),
                "steps_done": list(estate.ledger.journal(order.order_id)),
                "certificate": None if certificate is None else certificate.number,
                "replays": order.replays,
            }
        )
    return found


def verify_certificate(file: Path, *, public_key: Path | None = None, ledger: Path | None = None) -> Certificate:
    """Check a certificate with nothing but a public key.

    Args:
        file: the certificate.
        public_key: file of the instance's public key; None: that of the ledger.
        ledger: the ledger's folder, with which the certificate's place in the chain is checked too.

    Raises:
        CertificateRejected: it is not what the instance signed.
        BadInput: there is no public key, or a file cannot be read.
    """
    try:
        document = file.read_bytes()
        key = None if public_key is None else PublicKey.parse(public_key.read_text())
    except OSError as error:
        raise BadInput(f"'{error.filename}' cannot be read ({error.strerror}): correct the path") from error
    kept = None if ledger is None else Ledger(ledger)
    key = key or (None if kept is None else kept.public_key())
    if key is None:
        raise BadInput(
            "no public key to verify with: name the file `public.key` of the instance that issued the certificate with "
            "--public-key FILE"
        )
    certificate = verify(document, key)
    chain = kept.certificates() if kept is not None else ()
    if kept is not None and key == kept.public_key():
        kept.verify_chain(key)
        if document not in chain:
            raise CertificateRejected(
                f"certificate {certificate.number} is signed by this instance and is not in its ledger "
                f"'{kept.folder}': the ledger is another or was cut short; restore it from its backup"
            )
    return certificate


def retraining_plan(installation: Installation, order_id: str) -> dict[str, Any]:
    """What can be trained again after an erasure, without the data, what it costs, and whether it was launched.

    Raises:
        ErasureRefused: there is no such order, or it has not come so far.
    """
    plan = _retraining(_estate(installation), order_id)
    sweeps, cells = installation.log.latest_ids("sweep_configs"), installation.log.latest_ids("trained_policies")
    told = plan.to_json()
    for item, line in zip(plan.items, told["items"], strict=True):
        name = item.config["name"] if item.config is not None else item.sweep
        line["is_launched"] = name in sweeps if item.config is not None else set(item.cells) <= set(cells)
    return told


def retrain(
    installation: Installation, order_id: str, *, on_event: Callable[[str], None] | None = None
) -> list[dict[str, Any]]:
    """Launch all sweeps of the plan for training again, one after another.

    Returns:
        For each sweep `{"sweep", "how", "launched_as", "failed", "refused"}`; `refused` says why it was not launched.

    Raises:
        ErasureRefused: there is no such order, or it has not come so far.
    """
    estate, tell = _estate(installation), on_event or (lambda _: None)
    return [
        {"sweep": item.sweep, "how": item.how} | _launch(installation, estate, item, order_id, tell)
        for item in _retraining(estate, order_id).items
    ]


def _launch(
    installation: Installation, estate: Estate, item: RetrainingItem, order_id: str, tell: Callable[[str], None]
) -> dict[str, Any]:
    """Launch one sweep; one that is refused does not keep the others from being launched."""
    if item.how == "by hand":
        reason = "its definition is gone: write it anew without the data"
        tell(f"{item.sweep}: {reason}")
        return {"launched_as": None, "failed": [], "refused": reason}
    try:
        config = (
            SweepConfig.parse(item.config, source=f"retraining of {item.sweep}")
            if item.config is not None
            else installation.library.load(item.sweep)
        )
        tell(f"{item.sweep}: training again as '{config.name}'")
        if item.how == "again":
            _renew_datasets(installation, estate.ledger.order(order_id).plan)
        outcome = run_sweep(installation, config, on_event=tell)
    except BadInput as error:
        tell(f"{item.sweep}: refused: {error}")
        return {"launched_as": None, "failed": [], "refused": str(error)}
    return {"launched_as": config.name, "failed": list(outcome.failed), "refused": None}


def _renew_datasets(installation: Installation, plan: ErasurePlan) -> None:
    from rl_assets.api.datasets import materialize_dataset

    for key in plan.scope.datasets:
        if installation.log.latest("datasets", key) is None:
            materialize_dataset(installation, key)


def _wish(estate: Estate, *, client: str | None, datasets: tuple[str, ...], subject: str | None) -> Wish:
    pseudonym = None if client is None else _client(estate, client)
    if subject is not None:
        owners = {key.split(".")[0] for key in datasets} | ({pseudonym} if pseudonym else set())
        if len(owners) != 1:
            raise BadInput("a data subject is erased from one client's datasets: name the client, or its datasets")
        return wish_subject(estate, subject, owners.pop(), datasets)
    if datasets:
        wish = wish_datasets(estate, datasets)
        if pseudonym is not None and wish.scope.pseudonym != pseudonym:
            raise BadInput(f"the datasets belong to client '{wish.scope.pseudonym}', not '{pseudonym}': leave one out")
        return wish
    if pseudonym is None:
        raise BadInput("nothing to erase is named: expected a client, datasets or a data subject")
    return wish_client(estate, pseudonym)


def _client(estate: Estate, name: str) -> str:
    """The pseudonym of a client; one that is erased is told by the order."""
    order = estate.store.tombstones.order_of_client(name)
    if order is not None:
        raise ErasureRefused(f"client '{name}' was erased by order {order}: nothing is left of it")
    return estate.register.find_client(name)


def _holds(estate: Estate, plan: ErasurePlan) -> list[dict[str, Any]]:
    scope = plan.scope
    asked = [None] if scope.is_whole_client else list(scope.datasets)
    found = {
        hold.number: hold for key in asked for hold in estate.register.holds.in_force(scope.pseudonym, dataset=key)
    }
    return [
        {"number": hold.number, "dataset": hold.dataset, "placed_at": hold.placed_at, "placed_by": hold.placed_by}
        for hold in found.values()
    ]


def _refuse_held(estate: Estate, plan: ErasurePlan) -> None:
    holds = _holds(estate, plan)
    if holds:
        listed = ", ".join(f"hold {hold['number']} since {hold['placed_at']}" for hold in holds)
        raise ErasureRefused(
            f"plan '{plan.plan_id}': a legal hold forbids it ({listed}): nothing was done; release it first, with "
            f"`rlctl client release {plan.scope.pseudonym} NUMBER --reason TEXT`"
        )


def _order_of(estate: Estate, plan_id: str) -> Order | None:
    """The newest order of a plan."""
    return next((order for order in reversed(estate.ledger.orders()) if order.plan.plan_id == plan_id), None)


def _retraining(estate: Estate, order_id: str) -> RetrainingPlan:
    estate.ledger.order(order_id)
    step = estate.ledger.journal(order_id).get("retraining")
    if step is None:
        raise ErasureRefused(f"order '{order_id}' has not come so far: confirm its plan again, it goes on where it was")
    return RetrainingPlan.from_json(step.result)


def _estate(installation: Installation) -> Estate:
    return Estate(home=installation.home, instance=installation.instance)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")

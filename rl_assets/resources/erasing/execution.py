"""An order is carried out step by step; each is written down when it is done, so that a kill changes nothing."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any

from rl_assets.erasure.certificate import Certificate
from rl_assets.erasure.issuing import Outcome, ScanResult, issue
from rl_assets.erasure.keys import SigningKeyPlace
from rl_assets.erasure.orders import Order
from rl_assets.erasure.plan import ErasurePlan, EventIdentity
from rl_assets.errors import ErasureIncomplete
from rl_assets.resources.erasing.census import Wish, make_plan
from rl_assets.resources.erasing.champions import Champions
from rl_assets.resources.erasing.deletion import delete_bytes, delete_renderings, divide, doomed_objects
from rl_assets.resources.erasing.estate import Estate
from rl_assets.resources.erasing.places import doomed_records, places_of, source_places
from rl_assets.resources.erasing.replaying import final_plan
from rl_assets.resources.erasing.retraining import RetrainingPlan, plan_retraining
from rl_assets.resources.erasing.stopping import WorkStop
from rl_assets.resources.erasing.tombs import tombstone_of
from rl_assets.resources.erasing.verification import Traces, search
from rl_assets.resources.provenance import provenance
from rl_assets.resources.redaction.redact import redact

MAX_ROUNDS = 5
"""Times that what was still under way when the tombstone was set is looked for and removed."""


class Execution:
    """One order on its way.

    Args:
        estate: where.
        order: from the ledger.
        on_event: is told in a sentence what is done.
        now: tells the time.
    """

    def __init__(
        self,
        estate: Estate,
        order: Order,
        *,
        on_event: Callable[[str], None] = lambda _: None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._estate, self._order, self._tell, self._now = estate, order, on_event, now
        self._wish = Wish(scope=order.plan.scope, subject=order.subject)
        confirmed = order.confirmed_by or order.requested_by
        self._champions = Champions(
            estate,
            order=order.order_id,
            actor=confirmed.name,
            is_verified=confirmed.is_verified,
            on_event=on_event,
        )

    def run(self) -> Certificate:
        """Carry out what is not done yet.

        Returns:
            The certificate.

        Raises:
            WorkGoesOn: a run works on the data and does not end.
            ErasureIncomplete: something of the data is still found; nothing is certified.
            StoreError, LineageError: something cannot be read or removed.
        """
        steps: Mapping[str, Callable[[], Mapping[str, Any]]] = {
            "quarantine": self._quarantine,
            "stop_work": self._stop_work,
            "plan_again": self._plan_again,
            "retraining": self._plan_retraining,
            "champions": self._succeed,
            "traces": self._note_traces,
            "bytes": self._delete_bytes,
            "records": self._delete_records,
            "announce": self._announce,
            "verify": self._verify,
            "register": self._forget,
        }
        ledger, order_id = self._estate.ledger, self._order.order_id
        for step, do in steps.items():
            if step not in ledger.journal(order_id):
                self._tell(f"{order_id}: {step.replace('_', ' ')}")
                ledger.complete(order_id, step, do(), at=self._moment())
        certificate = self._certify()
        if self._order.replays is not None:
            self._settle(self._order.replays)
        ledger.finish(order_id, at=self._moment())
        return certificate

    def _quarantine(self) -> Mapping[str, Any]:
        if self._wish.subject is not None:
            self._estate.register.erase_subject(self._order.plan.scope.datasets, self._wish.subject)
        self._entomb(self._order.plan)
        return {}

    def _stop_work(self) -> Mapping[str, Any]:
        stopped = WorkStop(self._estate, places_of(self._estate, self._order.plan), on_event=self._tell).wait()
        return {"runs_stopped": len(stopped)}

    def _plan_again(self) -> Mapping[str, Any]:
        """What was still being made when the tombstone was set is found now and goes too."""
        plan = self._current_plan()
        self._entomb(plan)
        added = len(plan.erased) - len(self._order.plan.erased)
        if added > 0:
            self._tell(f"{added} more materializations were made since the plan was confirmed; they go too")
        return {"plan": plan.to_json()}

    def _plan_retraining(self) -> Mapping[str, Any]:
        return plan_retraining(self._estate, self._final_plan(), order=self._order.order_id).to_json()

    def _succeed(self) -> Mapping[str, Any]:
        plan = self._final_plan()
        self._champions.succeed(plan.champions)
        return {"num_entries_redacted": self._champions.redact(plan)}

    def _announce(self) -> Mapping[str, Any]:
        """After records are removed, so that this one stays."""
        succession = self._champions.announce(self._final_plan().champions)
        return {"succession": [asdict(item) for item in succession]}

    def _note_traces(self) -> Mapping[str, Any]:
        plan = self._final_plan()
        objects = doomed_objects(self._estate, plan, divide(self._estate, plan))
        traces = Traces.of(self._estate, objects, key=self._order.digest_key)
        return traces.to_json()

    def _delete_bytes(self) -> Mapping[str, Any]:
        plan = self._final_plan()
        removed = delete_bytes(self._estate, plan, divide(self._estate, plan))
        renderings = delete_renderings(self._estate, plan)
        self._settle(self._order.order_id)
        return {"num_objects": removed.num_objects, "num_bytes": removed.num_bytes, "num_renderings": renderings}

    def _delete_records(self) -> Mapping[str, Any]:
        plan = self._final_plan()
        report = redact(self._estate.instance, doomed_records(self._estate, plan), on_progress=self._tell)
        self._estate.index.rebuild()
        return {
            "deleted": report.deleted,
            "cleaned": report.cleaned,
            "num_runs_removed": len(report.runs_removed),
            "num_runs_cleaned": len(report.runs_cleaned),
            "keeps_elsewhere": report.keeps_elsewhere,
        }

    def _verify(self) -> Mapping[str, Any]:
        late: list[EventIdentity] = []
        for _ in range(MAX_ROUNDS):
            plan = self._current_plan()
            if not plan.erased:
                break
            late += plan.erased
            self._tell(f"{len(plan.erased)} materializations were logged meanwhile: removing them")
            self._entomb(plan)
            delete_bytes(self._estate, plan, divide(self._estate, plan))
            delete_renderings(self._estate, plan)
            redact(self._estate.instance, doomed_records(self._estate, plan))
            self._estate.index.rebuild()
            self._settle(self._order.order_id)
        else:
            raise ErasureIncomplete(
                f"order '{self._order.order_id}': what descends from the data is made again and again: stop what makes "
                "it (`rlctl stop`), then confirm the same plan again"
            )
        traces = Traces.from_json(self._result("traces"), key=self._order.digest_key)
        scans = search(self._estate, self._final_plan(), traces, on_event=self._tell)
        found = [f"{scan.hits} in {scan.what} ({', '.join(scan.where)})" for scan in scans if scan.hits]
        if found:
            raise ErasureIncomplete(
                f"order '{self._order.order_id}': what was erased is still found: {'; '.join(found)}: nothing is "
                "certified; remove what was copied there by other means, then confirm the same plan again"
            )
        return {"scans": [scan.to_json() for scan in scans], "late": [asdict(event) for event in late]}

    def _forget(self) -> Mapping[str, Any]:
        scope = self._order.plan.scope
        outside = len(source_places(self._estate, scope.datasets))
        if scope.kind == "client":
            self._estate.register.forget_client(scope.pseudonym)
        elif scope.kind == "datasets":
            self._estate.register.forget_datasets(scope.datasets)
        return {"num_source_places": outside}

    def _certify(self) -> Certificate:
        ledger, order = self._estate.ledger, self._order
        key = SigningKeyPlace.from_environment().obtain()
        journal = ledger.journal(order.order_id)
        code = provenance()
        plan = self._final_plan()
        late = [EventIdentity(**event) for event in journal["verify"].result["late"]]
        outcome = Outcome(
            plan=replace(plan, erased=(*plan.erased, *late)),
            steps=[(entry.step, entry.completed_at) for entry in journal.values()],
            verification=[
                ScanResult(**{name: scan[name] for name in ("what", "num_scanned", "size_bytes", "hits")})
                for scan in journal["verify"].result["scans"]
            ],
            files=journal["traces"].result["sha256s"],
            outside={"source_places": journal["register"].result["num_source_places"]},
        )

        def sign(number: int, previous: bytes | None) -> bytes:
            return issue(
                order,
                outcome,
                key=key,
                number=number,
                previous=previous,
                issued_at=self._moment(),
                package_version=code["rl/package_version"],
                commit=code["rl/commit"],
            )

        return ledger.append_certificate(order.order_id, sign, public_key=key.public)

    def _settle(self, order: str) -> None:
        """Say that the bytes of all that an order's tombstone names are gone, so that equal ones may be made again."""
        tombstones = self._estate.store.tombstones
        standing = next(item for item in tombstones.all() if item.order == order)
        tombstones.write(replace(standing, bytes_are_gone=True))

    def _entomb(self, plan: ErasurePlan) -> None:
        self._estate.store.tombstones.write(tombstone_of(self._order, plan))

    def _current_plan(self) -> ErasurePlan:
        return make_plan(
            self._estate,
            self._wish,
            include_possibly_affected=self._order.plan.include_possibly_affected,
            order=self._order.order_id,
        )

    def _final_plan(self) -> ErasurePlan:
        """The plan as it was made under quarantine."""
        return final_plan(self._estate.ledger, self._order)

    def _result(self, step: str) -> Mapping[str, Any]:
        return self._estate.ledger.journal(self._order.order_id)[step].result

    def _moment(self) -> str:
        return self._now().isoformat(timespec="seconds")


_listener: ContextVar[Callable[[str], None] | None] = ContextVar("rl_assets_erasure_listener", default=None)


@contextmanager
def heard_by(listener: Callable[[str], None]) -> Iterator[None]:
    """Let somebody hear what is done by orders that this thread carries out in the block, in a run of Dagster's."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def execute_order(
    estate: Estate, order_id: str, *, on_event: Callable[[str], None] = lambda _: None
) -> tuple[Certificate, RetrainingPlan]:
    """Carry out an order of the ledger; one that is finished is only told.

    Returns:
        The certificate, and what can be trained again without the data.

    Raises:
        ErasureRefused: the ledger has no such order.
        WorkGoesOn, ErasureIncomplete, StoreError, LineageError: it is not finished; start it again.
    """
    order, listener = estate.ledger.order(order_id), _listener.get()

    def tell(text: str) -> None:
        on_event(text)
        if listener is not None:
            listener(text)

    certificate = Execution(estate, order, on_event=tell).run()
    return certificate, RetrainingPlan.from_json(estate.ledger.journal(order_id)["retraining"].result)

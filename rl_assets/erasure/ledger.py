"""The ledger of erasures: what was ordered, how far it came, and the certificates; backups of the state lack it."""

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rl_assets.datasets.subjects import ErasedSubject
from rl_assets.erasure.certificate import Certificate, verify, verify_chain
from rl_assets.erasure.digests import draw_digest_key
from rl_assets.erasure.keys import PublicKey
from rl_assets.erasure.ledger_files import locked, names_in, read_entry, sealed, write_once
from rl_assets.erasure.orders import Order, OrderActor, draw_order_id
from rl_assets.erasure.plan import ErasurePlan
from rl_assets.errors import CertificateRejected, CorruptObject, ErasureRefused
from rl_assets.store.atomic import refusals_explained

FINISHED = "finished"
"""The last entry of a journal; it names the certificate."""
_STEP = re.compile(r"[a-z][a-z0-9_]*")
_ORDER_FILE = re.compile(r"(e-[0-9a-f]{10})\.json")
_CERTIFICATE_FILE = re.compile(r"\d{6,}\.json")


@dataclass(frozen=True, kw_only=True)
class JournalEntry:
    """A step that was carried out to its end."""

    step: str
    completed_at: str
    """ISO 8601 with a time zone."""
    result: Mapping[str, Any]


class Ledger:
    """Orders, journals and certificates in one folder; any number of processes may use it at once.

    Args:
        folder: created with the first order. `orders` and `journal` are private to this user, as they hold the keys of
            digests and the names of actors; `certificates` and `public.key` hold nothing that is private.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def open_order(
        self,
        plan: ErasurePlan,
        *,
        requested_by: OrderActor,
        confirmed_by: OrderActor | None,
        ordered_at: str,
        subject: ErasedSubject | None = None,
        replays: str | None = None,
        adds_to: str | None = None,
    ) -> Order:
        """Write down that a plan is to be executed; from here on it is carried through, whatever is killed.

        The same plan confirmed again before it is finished is the same order.

        Args:
            plan: confirmed and decided.
            requested_by: who asked for it.
            confirmed_by: the second actor; None where none is needed.
            ordered_at: ISO 8601 with a time zone.
            subject: who goes, where it is one data subject.
            replays: the order that this carries out once more.
            adds_to: the order that this completes.

        Raises:
            ErasureRefused: the plan is undecided.
            StoreUnavailable: the disk refused.
        """
        with locked(self.folder):
            for order in self.unfinished():
                if (order.plan.plan_id, order.replays, order.adds_to) == (plan.plan_id, replays, adds_to):
                    return order
            order = Order(
                order_id=draw_order_id(),
                plan=plan,
                requested_by=requested_by,
                confirmed_by=confirmed_by,
                ordered_at=ordered_at,
                subject=subject,
                digest_key=draw_digest_key(),
                replays=replays,
                adds_to=adds_to,
            )
            write_once(self._orders / f"{order.order_id}.json", sealed(order.to_json()), is_private=True)
        return order

    def order(self, order_id: str) -> Order:
        """One order.

        Raises:
            ErasureRefused: there is none of that id, or it is not as it was written.
            CorruptObject: its file is damaged.
        """
        file = self._orders / f"{order_id}.json"
        if not _ORDER_FILE.fullmatch(file.name) or not file.is_file():
            known = ", ".join(self._order_ids()) or "none"
            raise ErasureRefused(f"order '{order_id}' is not in the ledger '{self.folder}', which knows {known}")
        return Order.from_json(read_entry(file))

    def orders(self) -> tuple[Order, ...]:
        """All orders, the earliest first.

        Raises:
            ErasureRefused: one is not as it was written.
            CorruptObject: a file is damaged.
            StoreUnavailable: the disk refused.
        """
        orders = [self.order(order_id) for order_id in self._order_ids()]
        return tuple(sorted(orders, key=lambda order: (order.ordered_at, order.order_id)))

    def unfinished(self) -> tuple[Order, ...]:
        """Orders that are still to be carried through, the earliest first.

        Raises:
            ErasureRefused: one is not as it was written.
            CorruptObject: a file is damaged.
            StoreUnavailable: the disk refused.
        """
        return tuple(order for order in self.orders() if FINISHED not in self.journal(order.order_id))

    def journal(self, order_id: str) -> dict[str, JournalEntry]:
        """Steps that were completed -> what came of them, in the order of completion.

        Raises:
            ErasureRefused: there is no order of that id.
            CorruptObject: an entry is damaged or missing.
            StoreUnavailable: the disk refused.
        """
        self.order(order_id)
        folder = self._journal / order_id
        names = names_in(folder, re.compile(r"\d{3}-[a-z][a-z0-9_]*\.json"))
        entries = [JournalEntry(**read_entry(folder / name)) for name in names]
        expected = [f"{number:03d}-{entry.step}.json" for number, entry in enumerate(entries, start=1)]
        if names != expected:
            raise CorruptObject(
                f"journal of order '{order_id}' in '{folder}': expected {expected}, found {names}: restore the files "
                "from a backup of the ledger"
            )
        return {entry.step: entry for entry in entries}

    def complete(self, order_id: str, step: str, result: Mapping[str, Any], *, at: str) -> JournalEntry:
        """Write down that a step was carried out; what was written first stands.

        Args:
            order_id: of an order in the ledger.
            step: lower-case words joined by `_`.
            result: plain data that later steps and the certificate need; no names.
            at: ISO 8601 with a time zone.

        Raises:
            ErasureRefused: there is no order of that id.
            ValueError: the step is no such word, or a number in the result is not finite.
            StoreUnavailable: the disk refused.
        """
        if not _STEP.fullmatch(step):
            raise ValueError(f"step '{step}': expected lower-case words joined by _")
        with locked(self.folder):
            journal = self.journal(order_id)
            if step in journal:
                return journal[step]
            entry = JournalEntry(step=step, completed_at=at, result=dict(result))
            file = self._journal / order_id / f"{len(journal) + 1:03d}-{step}.json"
            write_once(file, sealed(asdict(entry)), is_private=True)
            return JournalEntry(**read_entry(file))

    def finish(self, order_id: str, *, at: str) -> JournalEntry:
        """Write down that nothing is left to do for an order.

        Raises:
            ErasureRefused: it has no certificate, or there is no such order.
            StoreUnavailable: the disk refused.
        """
        certificate = self.certificate_of(order_id)
        if certificate is None:
            raise ErasureRefused(f"order '{order_id}' has no certificate yet: it is not finished; start it again")
        result = {"certificate": certificate.number, "sha256": certificate.sha256}
        return self.complete(order_id, FINISHED, result, at=at)

    def append_certificate(
        self, order_id: str, sign: Callable[[int, bytes | None], bytes], *, public_key: PublicKey
    ) -> Certificate:
        """Add the certificate of an order to the chain, unless it has one: then that stands.

        Args:
            order_id: of an order in the ledger.
            sign: number in the chain and the document before, None for the first -> the signed document. It is called
                only where the order has no certificate yet.
            public_key: of whoever signs; kept beside the certificates.

        Raises:
            ErasureRefused: there is no such order, another key signed earlier certificates, or some are gone.
            CertificateRejected: what was signed is not that order's certificate, or what stands before it is damaged.
            StoreUnavailable: the disk refused.
        """
        self.order(order_id)
        with locked(self.folder):
            self._keep_public_key(public_key)
            while True:
                existing = self.certificate_of(order_id)
                if existing is not None:
                    return existing
                self._refuse_lost_certificates()
                documents = self.certificates()
                number, previous = len(documents) + 1, documents[-1] if documents else None
                certificate = verify(sign(number, previous), public_key, previous=previous)
                if (certificate.order_id, certificate.number) != (order_id, number):
                    raise CertificateRejected(
                        f"certificate {certificate.number} of order {certificate.order_id}: expected certificate "
                        f"{number} of order {order_id}: nothing was added to the chain"
                    )
                file = self._certificates / f"{number:06d}.json"
                if write_once(file, certificate.document, is_private=False):
                    return certificate

    def certificates(self) -> tuple[bytes, ...]:
        """The documents of the chain, the first one first.

        Raises:
            CertificateRejected: one is missing between others.
            StoreUnavailable: the disk refused.
        """
        names = names_in(self._certificates, _CERTIFICATE_FILE)
        for number, name in enumerate(names, start=1):
            if name != f"{number:06d}.json":
                raise CertificateRejected(
                    f"certificate {number} is missing in '{self._certificates}' while later ones are there: restore "
                    "it from a backup of the ledger"
                )
        with refusals_explained(f"read the certificates in '{self._certificates}'"):
            return tuple((self._certificates / name).read_bytes() for name in names)

    def certificate_of(self, order_id: str) -> Certificate | None:
        """The certificate of an order, its signature not checked; None where it has none yet.

        Raises:
            CertificateRejected: a certificate is damaged or missing.
            StoreUnavailable: the disk refused.
        """
        chain = map(Certificate.parse, self.certificates())
        return next((certificate for certificate in chain if certificate.order_id == order_id), None)

    def public_key(self) -> PublicKey | None:
        """What verifies the certificates; None before the first one.

        Raises:
            BadInput: the file is no public key.
            StoreUnavailable: the disk refused.
        """
        with refusals_explained(f"read '{self._key_file}'"):
            return PublicKey.parse(self._key_file.read_text()) if self._key_file.is_file() else None

    def verify_chain(self, public_key: PublicKey | None = None) -> tuple[Certificate, ...]:
        """Check every certificate, that they follow each other, and that every finished order has the one it had.

        Args:
            public_key: from a place that is trusted; None takes the one that lies beside the certificates.

        Raises:
            CertificateRejected: one is altered, missing, lost, or signed by another instance.
            CorruptObject: a journal is damaged.
            StoreUnavailable: the disk refused.
        """
        public_key = public_key or self.public_key()
        documents = self.certificates()
        chain = verify_chain(documents, public_key) if public_key is not None else ()
        if len(chain) != len(documents):
            raise CertificateRejected(
                f"'{self._key_file}' is missing: name the public key, or restore it from a backup"
            )
        self._refuse_lost_certificates()
        return chain

    def _refuse_lost_certificates(self) -> None:
        known = {certificate.sha256 for certificate in map(Certificate.parse, self.certificates())}
        for order_id in self._order_ids():
            noted = self.journal(order_id).get(FINISHED)
            if noted is not None and noted.result["sha256"] not in known:
                raise CertificateRejected(
                    f"certificate {noted.result['certificate']} of order {order_id} is not the one in "
                    f"'{self._certificates}' or is gone from there: restore it from a backup of the ledger"
                )

    def _keep_public_key(self, public_key: PublicKey) -> None:
        kept = self.public_key()
        if kept is None:
            write_once(self._key_file, f"{public_key.text}\n".encode(), is_private=False)
        elif kept != public_key:
            raise ErasureRefused(
                f"the ledger '{self.folder}' holds certificates of instance {kept.instance_id}, and the key at hand is "
                f"that of instance {public_key.instance_id}: put the instance's own key back from its backup"
            )

    @property
    def _orders(self) -> Path:
        return self.folder / "orders"

    @property
    def _journal(self) -> Path:
        return self.folder / "journal"

    @property
    def _certificates(self) -> Path:
        return self.folder / "certificates"

    @property
    def _key_file(self) -> Path:
        return self.folder / "public.key"

    def _order_ids(self) -> list[str]:
        return [name.removesuffix(".json") for name in names_in(self._orders, _ORDER_FILE)]

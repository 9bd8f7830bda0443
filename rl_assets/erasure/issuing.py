"""Issuing a certificate: from an order and what came of it to a signed document that takes no free text."""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from rl_assets.erasure.certificate import FORMAT, encoded, signed_bytes
from rl_assets.erasure.digests import Subject, keyed_digest
from rl_assets.erasure.keys import SigningKey
from rl_assets.erasure.orders import Order, OrderActor
from rl_assets.erasure.plan import ErasurePlan
from rl_assets.errors import ErasureRefused

_WORD = re.compile(r"[a-z][a-z0-9_]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class ScanResult:
    """One kind of place that was searched for what was erased."""

    what: str
    """Such as `store` or `event_log`; lower-case words joined by `_`."""
    num_scanned: int
    """Files, rows or objects."""
    size_bytes: int
    hits: int


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What an order came to, as the journal has it."""

    plan: ErasurePlan
    """What was carried out: the confirmed plan and what was added to it under quarantine."""
    steps: Sequence[tuple[str, str]]
    """Step and the ISO 8601 time of its completion, in order."""
    verification: Sequence[ScanResult]
    files: Iterable[str] = ()
    """Hex SHA-256 of every erased file, so that each can be proved by its bytes."""
    outside: Mapping[str, int] = field(default_factory=dict)
    """What is known to lie beyond reach -> how many, such as `source_files` that the client keeps."""


def issue(
    order: Order,
    outcome: Outcome,
    *,
    key: SigningKey,
    number: int,
    previous: bytes | None,
    issued_at: str,
    package_version: str,
    commit: str | None,
) -> bytes:
    """Sign what an order came to; the same arguments give the same bytes.

    Args:
        order: what was ordered.
        outcome: what was done and found.
        key: the instance's.
        number: place in the chain, from 1.
        previous: the certificate before; None for the first.
        issued_at: ISO 8601 with a time zone.
        package_version: of this package.
        commit: of the running code; None where nobody knows.

    Returns:
        The document, indented JSON.

    Raises:
        ErasureRefused: nothing was verified, something was still found, or a text might tell who it is about.
    """
    _refuse_unproved(order, outcome)
    key_of = order.digest_key
    scope = outcome.plan.scope
    subject = scope.subject_digest
    body = {
        "format": FORMAT,
        "instance_id": key.public.instance_id,
        "number": number,
        "previous_sha256": None if previous is None else hashlib.sha256(previous).hexdigest(),
        "order_id": order.order_id,
        "replays": order.replays,
        "adds_to": order.adds_to,
        "ordered_at": _moment(order.ordered_at),
        "issued_at": _moment(issued_at),
        "steps": [{"step": _word(step), "completed_at": _moment(at)} for step, at in outcome.steps],
        "scope": {"kind": scope.kind, "num_datasets": len(scope.datasets)},
        "possibly_affected": {
            "number": len(outcome.plan.possibly_affected),
            "are_erased": outcome.plan.include_possibly_affected,
        },
        "erased": outcome.plan.counts,
        "keys_removed": {name: len(keys) for name, keys in asdict(outcome.plan.keys).items()},
        "digests": {
            "pseudonym": [keyed_digest(key_of, "pseudonym", scope.pseudonym)],
            "datasets": _digests(key_of, "dataset", scope.datasets),
            "data_subjects": _digests(key_of, "data subject", [] if subject is None else [subject]),
            "versions": _digests(key_of, "version", (event.data_version for event in outcome.plan.erased)),
            "files": _digests(key_of, "file", map(_checked_sha256, outcome.files)),
        },
        "champions": [
            {
                "env": change.env,
                "action": change.action,
                "erased_generations": list(change.erased_generations),
                "replacement": change.replacement,
            }
            for change in outcome.plan.champions
        ],
        "verification": [asdict(scan) | {"what": _word(scan.what)} for scan in outcome.verification],
        "outside": {_word(what): number for what, number in outcome.outside.items()},
        "actors": [
            _actor(key_of, part, actor)
            for part, actor in (("requested", order.requested_by), ("confirmed", order.confirmed_by))
            if actor is not None
        ],
        "has_second_actor": order.has_second_actor,
        "package_version": package_version,
        "commit": commit,
    }
    return encoded(body, key.sign(signed_bytes(body)))


def _refuse_unproved(order: Order, outcome: Outcome) -> None:
    if not outcome.verification:
        raise ErasureRefused(f"order '{order.order_id}': nothing was searched, so that nothing can be certified")
    found = [f"{scan.hits} in {scan.what}" for scan in outcome.verification if scan.hits]
    if found:
        raise ErasureRefused(
            f"order '{order.order_id}': what was erased is still found ({', '.join(found)}): no certificate is issued; "
            "start the erasure again, it goes on where it is not done"
        )


def _actor(digest_key: bytes, part: str, actor: OrderActor) -> dict[str, Any]:
    return {
        "part": part,
        "digest": keyed_digest(digest_key, "actor", actor.name),
        "is_verified": actor.is_verified,
        "role": _word(actor.role) if actor.role else "",
    }


def _digests(digest_key: bytes, subject: Subject, values: Iterable[str]) -> list[str]:
    """Sorted, so that their order says nothing."""
    return sorted({keyed_digest(digest_key, subject, value) for value in values})


def _word(text: str) -> str:
    """A word of ours: a certificate takes no free text, in which a name could stand."""
    if not _WORD.fullmatch(text):
        raise ErasureRefused(
            "certificate: one of its words has spaces, capitals or signs (and is not repeated here): expected "
            "lower-case words joined by _"
        )
    return text


def _checked_sha256(text: str) -> str:
    if not _SHA256.fullmatch(text):
        raise ErasureRefused("certificate: a file is not given as the 64 hex digits of its SHA-256")
    return text


def _moment(text: str) -> str:
    try:
        has_zone = datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        has_zone = False
    if not has_zone:
        raise ErasureRefused(f"certificate: expected an ISO 8601 time with a time zone, got '{text[:40]}'")
    return text

"""Orders of the erasure planned by hand, and certificates of them."""

import hashlib
from dataclasses import replace

from rl_assets.erasure.issuing import Outcome, ScanResult, issue
from rl_assets.erasure.keys import SigningKey
from rl_assets.erasure.orders import Order, OrderActor
from tests.erasure.test_planning import planned, reign, two_clients

OURS, THEIRS = SigningKey(seed=bytes(range(32))), SigningKey(seed=bytes(range(1, 33)))
DIGEST_KEY = bytes(range(100, 132))
FILE = b"the episodes of a client"
FILE_SHA256 = hashlib.sha256(FILE).hexdigest()
OFFICER, SECOND = "olivia.officer", "sam.second"


def order(order_id: str = "e-0000000001", **fields: object) -> Order:
    champions = {"Pong-v5": [reign(1), reign(2, data_version="v22", is_in_production=True)]}
    usual = {
        "order_id": order_id,
        "plan": planned(two_clients(), champions=champions),
        "requested_by": OrderActor(name=OFFICER, is_verified=True, role="erase"),
        "confirmed_by": OrderActor(name=SECOND, is_verified=False, role="erase"),
        "ordered_at": "2026-01-02T03:04:05+00:00",
        "digest_key": DIGEST_KEY,
    }
    return Order(**usual | fields)


def outcome(**fields: object) -> Outcome:
    usual = Outcome(
        plan=order().plan,
        steps=[("quarantine", "2026-01-02T03:04:06+00:00"), ("bytes", "2026-01-02T03:05:00+00:00")],
        verification=[ScanResult(what="store", num_scanned=12, size_bytes=3456, hits=0)],
        files=[FILE_SHA256],
        outside={"source_files": 2},
    )
    return replace(usual, **fields)


def certificate(number: int = 1, previous: bytes | None = None, *, of: Order | None = None, **fields: object) -> bytes:
    usual = {"key": OURS, "issued_at": "2026-01-02T03:06:00+00:00", "package_version": "0.1.0", "commit": "abc123"}
    return issue(of or order(f"e-{number:010x}"), outcome(), number=number, previous=previous, **usual | fields)


def chain(length: int) -> list[bytes]:
    documents: list[bytes] = []
    for number in range(1, length + 1):
        documents.append(certificate(number, documents[-1] if documents else None))
    return documents

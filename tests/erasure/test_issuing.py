import json
from dataclasses import replace

import pytest

from rl_assets.erasure.certificate import verify
from rl_assets.erasure.issuing import Outcome, ScanResult, issue
from rl_assets.erasure.orders import OrderActor
from rl_assets.erasure.scope import ErasureScope
from rl_assets.errors import ErasureRefused
from tests.erasure.certified_orders import DIGEST_KEY, OFFICER, OURS, SECOND, certificate, order, outcome
from tests.erasure.lineage_logs import ALICE
from tests.erasure.test_planning import planned, two_clients


def issued(found: Outcome, **fields) -> dict:
    usual = {"key": OURS, "issued_at": "2026-01-02T03:06:00Z", "package_version": "0.1.0", "commit": None}
    document = issue(order(), found, number=1, previous=None, **usual | fields)
    return dict(verify(document, OURS.public).body)


def test_a_certificate_says_what_was_done():
    body = json.loads(certificate())["certificate"]
    digests = body.pop("digests")
    assert {name: len(entries) for name, entries in digests.items()} == {
        "pseudonym": 1,
        "datasets": 2,
        "data_subjects": 0,
        "versions": 9,
        "files": 1,
    }
    actors = body.pop("actors")
    assert [(actor["part"], actor["is_verified"], actor["role"]) for actor in actors] == [
        ("requested", True, "erase"),
        ("confirmed", False, "erase"),
    ]
    assert body == {
        "format": "rl_assets certificate of erasure 1",
        "instance_id": OURS.public.instance_id,
        "number": 1,
        "previous_sha256": None,
        "order_id": "e-0000000001",
        "replays": None,
        "adds_to": None,
        "ordered_at": "2026-01-02T03:04:05+00:00",
        "issued_at": "2026-01-02T03:06:00+00:00",
        "steps": [
            {"step": "quarantine", "completed_at": "2026-01-02T03:04:06+00:00"},
            {"step": "bytes", "completed_at": "2026-01-02T03:05:00+00:00"},
        ],
        "scope": {"kind": "client", "num_datasets": 2},
        "possibly_affected": {"number": 0, "are_erased": None},
        "erased": {
            "datasets": 1,
            "sweep_configs": 1,
            "trained_policies": 3,
            "policy_evaluations": 1,
            "eval_leaderboards": 1,
            "promoted_models": 1,
            "sweep_reports": 1,
        },
        "keys_removed": {"dataset": 0, "sweep": 0, "hparam": 0, "env": 0},
        "champions": [{"env": "Pong-v5", "action": "roll_back", "erased_generations": [2], "replacement": 1}],
        "verification": [{"what": "store", "num_scanned": 12, "size_bytes": 3456, "hits": 0}],
        "outside": {"source_files": 2},
        "has_second_actor": True,
        "package_version": "0.1.0",
        "commit": "abc123",
    }


def test_a_certificate_tells_nothing_about_anybody():
    text = certificate().decode()
    erased = order().plan.erased
    told = [ALICE, ALICE.removeprefix("c-"), OFFICER, SECOND, "ppo-tuned", "hers", DIGEST_KEY.hex(), OURS.text]
    assert [word for word in told if word in text] == []
    assert [event.data_version for event in erased if f'"{event.data_version}"' in text] == []


def test_the_same_outcome_gives_the_same_bytes():
    assert certificate() == certificate()


def test_one_actor_alone_is_told():
    alone = certificate(of=order(confirmed_by=None))
    both = certificate(of=order(confirmed_by=OrderActor(name=OFFICER, is_verified=True)))
    for document in (alone, both):
        assert verify(document, OURS.public).body["has_second_actor"] is False


def test_a_replay_and_an_addendum_name_the_order_before():
    replay = verify(certificate(of=order("e-0000000002", replays="e-0000000001")), OURS.public)
    addendum = verify(certificate(of=order("e-0000000002", adds_to="e-0000000001")), OURS.public)
    assert (replay.body["replays"], replay.body["adds_to"]) == ("e-0000000001", None)
    assert (addendum.body["replays"], addendum.body["adds_to"]) == (None, "e-0000000001")


def test_a_data_subject_is_told_as_a_digest():
    subject = "ab" * 16
    scope = ErasureScope(pseudonym=ALICE, datasets=(f"{ALICE}.d1",), subject_digest=subject)
    body = issued(outcome(plan=planned(two_clients(), scope, holding_subject={1})))
    assert body["scope"] == {"kind": "subject", "num_datasets": 1}
    assert len(body["digests"]["data_subjects"]) == 1
    assert subject not in json.dumps(body)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"verification": []}, "nothing was searched"),
        (
            {"verification": [ScanResult(what="logs", num_scanned=1, size_bytes=2, hits=3)]},
            "still found \\(3 in logs\\)",
        ),
        ({"outside": {"files of ACME": 1}}, "expected lower-case"),
        ({"steps": [("Bytes of ACME", "2026-01-02T03:05:00+00:00")]}, "expected lower-case"),
        ({"steps": [("bytes", "2026-01-02T03:05:00")]}, "with a time zone"),
        ({"steps": [("bytes", "yesterday")]}, "with a time zone"),
        ({"files": ["ACME.parquet"]}, "SHA-256"),
    ],
)
def test_what_proves_nothing_or_might_name_somebody_is_not_certified(fields: dict, reason: str):
    with pytest.raises(ErasureRefused, match=reason) as caught:
        issued(replace(outcome(), **fields))
    assert "ACME" not in str(caught.value)

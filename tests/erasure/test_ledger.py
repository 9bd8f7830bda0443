import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from rl_assets.erasure.certificate import Certificate, verify
from rl_assets.erasure.ledger import FINISHED, Ledger
from rl_assets.erasure.orders import Order, OrderActor
from rl_assets.errors import BadInput, CertificateRejected, CorruptObject, ErasureRefused
from tests.erasure.certified_orders import OURS, THEIRS, certificate, order, outcome
from tests.erasure.lineage_logs import made
from tests.erasure.test_planning import planned, two_clients

AT = "2026-01-02T03:04:05+00:00"
OFFICER = OrderActor(name="olivia.officer", is_verified=True, role="erase")
PLANS = [planned(two_clients(), log_id=f"log-{number}") for number in range(5)]


def ordered(ledger: Ledger, number: int = 0, **fields) -> Order:
    usual = {"requested_by": OFFICER, "confirmed_by": None, "ordered_at": AT}
    return ledger.open_order(PLANS[number], **usual | fields)


def signer(of: Order, **fields) -> Callable[[int, bytes | None], bytes]:
    return lambda number, previous: certificate(number, previous, of=of, **fields)


def certified(ledger: Ledger, of: Order) -> Certificate:
    return ledger.append_certificate(of.order_id, signer(of), public_key=OURS.public)


def finished(ledger: Ledger, number: int = 0) -> Order:
    """An order that was carried through; a second one over the same plan is another."""
    of = ordered(ledger, number)
    certified(ledger, of)
    ledger.finish(of.order_id, at=AT)
    return of


def test_an_order_is_kept_whole_and_private(tmp_path: Path):
    ledger = Ledger(tmp_path / "ledger")
    first, second = ordered(ledger, 0), ordered(ledger, 1, ordered_at="2025-12-31T00:00:00+00:00")
    assert Ledger(ledger.folder).orders() == (second, first)
    assert ledger.order(first.order_id) == first
    assert first.digest_key != second.digest_key
    file = ledger.folder / "orders" / f"{first.order_id}.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_an_empty_ledger_knows_nothing(tmp_path: Path):
    ledger = Ledger(tmp_path / "ledger")
    assert (ledger.orders(), ledger.unfinished(), ledger.certificates(), ledger.verify_chain()) == ((), (), (), ())
    assert ledger.public_key() is None
    assert not ledger.folder.exists()
    for order_id in ("e-0000000000", "../../etc/passwd"):
        with pytest.raises(ErasureRefused, match=r"is not in the ledger .* which knows none"):
            ledger.order(order_id)


def test_a_plan_that_is_confirmed_twice_is_one_order_until_it_is_finished(tmp_path: Path):
    ledger = Ledger(tmp_path)
    first = ordered(ledger)
    assert ordered(ledger, ordered_at="2027-01-01T00:00:00+00:00") == first
    replay = ordered(ledger, replays=first.order_id)
    assert replay.order_id != first.order_id
    certified(ledger, first)
    ledger.finish(first.order_id, at=AT)
    assert ordered(ledger).order_id not in (first.order_id, replay.order_id)


def test_the_journal_says_what_is_done_and_what_came_of_it(tmp_path: Path):
    ledger = Ledger(tmp_path)
    of = ordered(ledger)
    assert ledger.journal(of.order_id) == {}
    ledger.complete(of.order_id, "quarantine", {"tombstones": 3}, at=AT)
    ledger.complete(of.order_id, "bytes", {"deleted": [1, 2]}, at=AT)
    journal = Ledger(tmp_path).journal(of.order_id)
    assert [(step, entry.result) for step, entry in journal.items()] == [
        ("quarantine", {"tombstones": 3}),
        ("bytes", {"deleted": [1, 2]}),
    ]
    folder = tmp_path / "journal" / of.order_id
    assert sorted(file.name for file in folder.glob("*.json")) == ["001-quarantine.json", "002-bytes.json"]


def test_a_step_that_is_carried_out_again_keeps_what_came_of_it_first(tmp_path: Path):
    ledger = Ledger(tmp_path)
    of = ordered(ledger)
    first = ledger.complete(of.order_id, "bytes", {"deleted": 7}, at=AT)
    assert ledger.complete(of.order_id, "bytes", {"deleted": 0}, at="2027-01-01T00:00:00+00:00") == first
    assert len(ledger.journal(of.order_id)) == 1


def test_what_belongs_to_no_order_is_refused(tmp_path: Path):
    ledger = Ledger(tmp_path)
    of = ordered(ledger)
    with pytest.raises(ErasureRefused, match="is not in the ledger"):
        ledger.complete("e-0000000000", "bytes", {}, at=AT)
    with pytest.raises(ValueError, match="lower-case words"):
        ledger.complete(of.order_id, "../bytes", {}, at=AT)
    with pytest.raises(ErasureRefused, match="is not in the ledger"):
        ledger.append_certificate("e-0000000000", signer(order()), public_key=OURS.public)


def test_a_damaged_or_missing_entry_is_told(tmp_path: Path):
    ledger = Ledger(tmp_path)
    of = ordered(ledger)
    for step in ("quarantine", "bytes"):
        ledger.complete(of.order_id, step, {}, at=AT)
    first = tmp_path / "journal" / of.order_id / "001-quarantine.json"
    whole = first.read_bytes()
    first.write_bytes(whole.replace(b"{}", b"[]"))
    with pytest.raises(CorruptObject, match="001-quarantine"):
        ledger.journal(of.order_id)
    first.unlink()
    with pytest.raises(CorruptObject, match=r"expected .*001-bytes.*found .*002-bytes"):
        ledger.journal(of.order_id)
    file = tmp_path / "orders" / f"{of.order_id}.json"
    file.write_bytes(file.read_bytes().replace(b"log-0", b"log-9"))
    with pytest.raises(CorruptObject, match=of.order_id):
        ledger.orders()


def test_an_order_is_finished_once_it_has_its_certificate(tmp_path: Path):
    ledger = Ledger(tmp_path)
    of, other = ordered(ledger, 0), ordered(ledger, 1)
    with pytest.raises(ErasureRefused, match="has no certificate yet"):
        ledger.finish(of.order_id, at=AT)
    certified(ledger, of)
    assert ledger.unfinished() == tuple(sorted((of, other), key=lambda one: one.order_id))
    ledger.finish(of.order_id, at=AT)
    assert ledger.unfinished() == (other,)
    assert ledger.journal(of.order_id)[FINISHED].result["certificate"] == 1


def test_certificates_are_chained_in_the_order_of_their_issue(tmp_path: Path):
    ledger = Ledger(tmp_path)
    orders = [ordered(ledger, number) for number in range(3)]
    numbers = [certified(ledger, of).number for of in reversed(orders)]
    assert numbers == [1, 2, 3]
    chain = Ledger(tmp_path).verify_chain(OURS.public)
    assert [found.order_id for found in chain] == [of.order_id for of in reversed(orders)]
    assert ledger.verify_chain() == chain
    assert ledger.public_key() == OURS.public
    assert sorted(file.name for file in (tmp_path / "certificates").glob("*.json")) == [
        "000001.json",
        "000002.json",
        "000003.json",
    ]


def test_an_order_gets_one_certificate_however_often_it_is_asked_for(tmp_path: Path):
    ledger = Ledger(tmp_path)
    of = ordered(ledger)
    first = certified(ledger, of)
    later = signer(of, issued_at="2027-01-01T00:00:00+00:00")
    assert ledger.append_certificate(of.order_id, later, public_key=OURS.public) == first
    assert ledger.certificates() == (first.document,)


def test_a_kill_between_signing_and_writing_leaves_no_certificate_and_the_next_try_one(tmp_path: Path):
    ledger = Ledger(tmp_path)
    of = ordered(ledger)

    def killed(number: int, previous: bytes | None) -> bytes:
        certificate(number, previous, of=of)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ledger.append_certificate(of.order_id, killed, public_key=OURS.public)
    assert ledger.certificates() == ()
    assert certified(ledger, of).number == 1


def test_processes_that_certify_at_once_make_one_chain_with_one_certificate_for_each_order(tmp_path: Path):
    ledger = Ledger(tmp_path / "ledger")
    orders = [ordered(ledger, number) for number in range(3)]
    script = (
        "import sys; from pathlib import Path; from rl_assets.erasure.ledger import Ledger\n"
        "from tests.erasure.certified_orders import OURS, certificate\n"
        "ledger = Ledger(Path(sys.argv[1])); sys.stdin.readline()\n"
        "for of in ledger.orders():\n"
        "    sign = lambda number, previous: certificate(number, previous, of=of, commit=sys.argv[2])\n"
        "    ledger.append_certificate(of.order_id, sign, public_key=OURS.public)\n"
        "    ledger.finish(of.order_id, at='2026-01-02T03:04:05+00:00')\n"
    )
    root = Path(__file__).parents[2]
    children = [
        subprocess.Popen(
            [sys.executable, "-c", script, ledger.folder, name],
            cwd=root,
            env={**os.environ, "PYTHONPATH": str(root)},
            stdin=subprocess.PIPE,
            text=True,
        )
        for name in "abc"
    ]
    for child in children:
        child.communicate("go\n")
    assert [child.returncode for child in children] == [0, 0, 0]
    chain = ledger.verify_chain(OURS.public)
    assert sorted(found.order_id for found in chain) == sorted(of.order_id for of in orders)
    assert ledger.unfinished() == ()


def test_what_another_signed_or_is_about_another_order_is_not_added(tmp_path: Path):
    ledger = Ledger(tmp_path)
    of, other = ordered(ledger, 0), ordered(ledger, 1)
    with pytest.raises(CertificateRejected, match=f"of order {other.order_id}: expected certificate 1 of order"):
        ledger.append_certificate(of.order_id, signer(other), public_key=OURS.public)
    with pytest.raises(CertificateRejected, match="was issued by instance"):
        ledger.append_certificate(of.order_id, signer(of, key=THEIRS), public_key=OURS.public)
    assert ledger.certificates() == ()
    certified(ledger, of)
    with pytest.raises(ErasureRefused, match="put the instance's own key back"):
        ledger.append_certificate(other.order_id, signer(other, key=THEIRS), public_key=THEIRS.public)
    assert len(ledger.certificates()) == 1


def test_a_chain_that_was_tampered_with_is_told(tmp_path: Path):
    ledger = Ledger(tmp_path)
    orders = [finished(ledger, number) for number in range(3)]
    folder = tmp_path / "certificates"
    second, third = (folder / f"00000{number}.json" for number in (2, 3))
    whole = third.read_bytes()

    third.write_bytes(whole.replace(b'"hits": 0', b'"hits": 1'))
    with pytest.raises(CertificateRejected, match="is not what that instance signed"):
        ledger.verify_chain()

    third.unlink()
    with pytest.raises(CertificateRejected, match=f"certificate 3 of order {orders[2].order_id} is not the one in"):
        ledger.verify_chain()
    with pytest.raises(CertificateRejected, match=f"certificate 3 of order {orders[2].order_id} is not the one in"):
        certified(ledger, ordered(ledger, 3))

    third.write_bytes(whole)
    second.unlink()
    with pytest.raises(CertificateRejected, match=r"certificate 2 is missing in .* restore it from a backup"):
        ledger.verify_chain()


def test_a_chain_without_its_public_key_is_not_taken_on_trust(tmp_path: Path):
    ledger = Ledger(tmp_path)
    finished(ledger)
    with pytest.raises(CertificateRejected, match="was issued by instance"):
        ledger.verify_chain(THEIRS.public)
    (tmp_path / "public.key").write_text("rubbish")
    with pytest.raises(BadInput, match="public key: expected 32 bytes"):
        ledger.verify_chain()
    (tmp_path / "public.key").unlink()
    with pytest.raises(CertificateRejected, match=r"public\.key' is missing"):
        ledger.verify_chain()
    assert len(ledger.verify_chain(OURS.public)) == 1


def test_what_a_ledger_shows_to_others_names_nobody(tmp_path: Path):
    ledger = Ledger(tmp_path)
    of = finished(ledger)
    shown = b"".join(
        file.read_bytes() for file in [tmp_path / "public.key", *(tmp_path / "certificates").glob("*.json")]
    )
    for word in (of.plan.scope.pseudonym, *of.plan.scope.datasets, OFFICER.name, of.digest_key.hex(), OURS.text):
        assert word.encode() not in shown
    assert verify(ledger.certificates()[0], OURS.public).body["erased"] == outcome().plan.counts
    assert json.loads((tmp_path / "orders" / f"{of.order_id}.json").read_bytes())["entry"]["order_id"] == of.order_id


def test_an_undecided_plan_opens_no_order(tmp_path: Path):
    old = replace(made(30, "trained_policies", "Pong-v5|ppo-old"), inputs=None)
    with pytest.raises(ErasureRefused, match="leaves open"):
        Ledger(tmp_path).open_order(
            planned([*two_clients(), old]), requested_by=OFFICER, confirmed_by=None, ordered_at=AT
        )
    assert Ledger(tmp_path).orders() == ()

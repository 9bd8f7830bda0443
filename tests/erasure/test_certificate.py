import json
import subprocess
import sys
from pathlib import Path

import pytest

from rl_assets.erasure.certificate import Certificate, proves, verify, verify_chain
from rl_assets.errors import CertificateRejected
from tests.erasure.certified_orders import DIGEST_KEY, FILE, OFFICER, OURS, THEIRS, certificate, chain, order
from tests.erasure.lineage_logs import ALICE, BOB


def test_a_certificate_verifies_with_the_public_key_alone():
    found = verify(certificate(), OURS.public)
    assert (found.number, found.order_id, found.body["instance_id"]) == (1, "e-0000000001", OURS.public.instance_id)


def test_verifying_needs_no_state_and_no_network(tmp_path: Path):
    (tmp_path / "certificate.json").write_bytes(certificate())
    script = (
        "import socket, sys; from pathlib import Path\n"
        "socket.socket = None\n"
        "from rl_assets.erasure.certificate import verify; from rl_assets.erasure.keys import PublicKey\n"
        "print(verify(Path('certificate.json').read_bytes(), PublicKey.parse(sys.argv[1])).number)\n"
    )
    root = Path(__file__).parents[2]
    said = subprocess.run(
        [sys.executable, "-c", script, OURS.public.text],
        cwd=tmp_path,
        env={"PYTHONPATH": str(root), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout == "1\n"
    assert [path.name for path in tmp_path.iterdir()] == ["certificate.json"]


def test_any_change_of_any_byte_is_rejected():
    document = certificate()
    accepted = []
    for place, byte in enumerate(document):
        digit = ord("0") + (byte - ord("0") + 1) % 10
        others = {byte ^ 0x01, byte ^ 0x20, byte ^ 0x80, digit, ord(" ")} - {byte}
        changed = [document[:place] + bytes([other]) + document[place + 1 :] for other in others]
        changed += [document[:place] + document[place + 1 :], document[:place] + b" " + document[place:]]
        for other in changed:
            try:
                verify(other, OURS.public)
            except CertificateRejected:
                continue
            accepted.append((place, other))
    assert len(document) > 1_000
    assert accepted == []


@pytest.mark.parametrize(
    "document",
    [b"", b"{}", b"[]", b'"text"', b"\xff\xfe", b"[" * 100_000, b'{"certificate": [], "signature": "00"}', b"NaN"],
)
def test_what_is_no_certificate_is_rejected(document: bytes):
    with pytest.raises(CertificateRejected, match="no whole certificate"):
        verify(document, OURS.public)


def test_the_same_content_in_another_spelling_is_rejected():
    content = json.loads(certificate())
    assert content["certificate"]["number"] == 1
    for document in (json.dumps(content), json.dumps(content, indent=2), certificate().decode() + "\n"):
        with pytest.raises(CertificateRejected, match="reformatted"):
            verify(document.encode(), OURS.public)


def test_another_instances_certificate_is_told_as_such():
    with pytest.raises(
        CertificateRejected, match=rf"issued by instance {THEIRS.public.instance_id}.*public key of the"
    ):
        verify(certificate(key=THEIRS), OURS.public)


def test_a_signature_by_another_key_under_our_name_is_rejected():
    ours, theirs = (Certificate.parse(certificate(key=key)) for key in (OURS, THEIRS))
    forged = ours.document.replace(ours.signature.hex().encode(), theirs.signature.hex().encode())
    with pytest.raises(CertificateRejected, match="is not what that instance signed"):
        verify(forged, OURS.public)


def test_a_certificate_follows_the_one_before():
    first, second, third = chain(3)
    assert verify(second, OURS.public, previous=first).number == 2
    assert [found.number for found in verify_chain([first, second, third], OURS.public)] == [1, 2, 3]
    assert verify_chain([], OURS.public) == ()
    with pytest.raises(CertificateRejected, match="expected number 2"):
        verify(third, OURS.public, previous=first)
    with pytest.raises(CertificateRejected, match="expected number 2"):
        verify(first, OURS.public, previous=first)
    other = certificate(1, issued_at="2027-01-01T00:00:00+00:00")
    with pytest.raises(CertificateRejected, match="names another certificate 1"):
        verify(second, OURS.public, previous=other)
    with pytest.raises(CertificateRejected, match=THEIRS.public.instance_id):
        verify(second, OURS.public, previous=certificate(1, key=THEIRS))


def test_a_broken_chain_is_told():
    first, second, third = chain(3)
    with pytest.raises(CertificateRejected, match=r"begins with certificate 2.*those before it are missing"):
        verify_chain([second, third], OURS.public)
    with pytest.raises(CertificateRejected, match="3 comes after certificate 1"):
        verify_chain([first, third], OURS.public)
    with pytest.raises(CertificateRejected, match="the chain is broken"):
        verify_chain([certificate(1, commit=None), second], OURS.public)
    with pytest.raises(CertificateRejected, match="1 and 2 are both of order e-0000000001"):
        verify_chain([first, certificate(2, first, of=order("e-0000000001"))], OURS.public)


def test_who_has_the_key_of_the_order_can_prove_that_a_file_was_erased():
    found = verify(certificate(), OURS.public)
    assert proves(found, DIGEST_KEY, FILE)
    assert not proves(found, DIGEST_KEY, FILE + b".")
    assert not proves(found, DIGEST_KEY[::-1], FILE)
    assert found.names(DIGEST_KEY, "pseudonym", ALICE)
    assert found.names(DIGEST_KEY, "dataset", f"{ALICE}.d1")
    assert found.names(DIGEST_KEY, "version", "v22")
    assert found.names(DIGEST_KEY, "actor", OFFICER)
    assert not found.names(DIGEST_KEY, "pseudonym", BOB)
    assert not found.names(DIGEST_KEY, "version", "v21")
    assert not found.names(DIGEST_KEY, "dataset", ALICE)

"""The certificate of one erasure: signed, chained to the one before, and without personal data."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from rl_assets.config.canonical import canonical_json
from rl_assets.erasure.digests import Subject, keyed_digest
from rl_assets.erasure.keys import PublicKey
from rl_assets.errors import CertificateRejected

FORMAT = "rl_assets certificate of erasure 1"
_FIELDS = frozenset(
    {
        *("format", "instance_id", "number", "previous_sha256", "order_id", "issued_at", "ordered_at", "steps"),
        *("scope", "possibly_affected", "erased", "keys_removed", "digests", "champions", "verification", "outside"),
        *("actors", "has_second_actor", "package_version", "commit", "replays", "adds_to"),
    }
)


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """A certificate that was read; only `verify` says that it is true."""

    document: bytes = field(repr=False)
    body: Mapping[str, Any]
    signature: bytes = field(repr=False)

    @classmethod
    def parse(cls, document: bytes) -> Self:
        """Read a certificate without checking its signature.

        Raises:
            CertificateRejected: it is none, or is not written as certificates are to the last byte.
        """
        try:
            content = json.loads(document)
            body, signature = content["certificate"], bytes.fromhex(content["signature"])
            if encoded(body, signature) == document and set(body) == _FIELDS and body["format"] == FORMAT:
                return cls(document=document, body=body, signature=signature)
        except (ValueError, TypeError, KeyError, RecursionError):
            pass  # told below, in the same words
        raise CertificateRejected(
            f"this is no whole certificate of the form '{FORMAT}': it was cut, altered or reformatted; take the "
            "original file, byte for byte, or the release that wrote it"
        )

    @property
    def number(self) -> int:
        """Its place in the chain of its instance, from 1."""
        return self.body["number"]

    @property
    def order_id(self) -> str:
        """The order that it is about."""
        return self.body["order_id"]

    @property
    def sha256(self) -> str:
        """Of the document, as hex: what the next certificate names."""
        return hashlib.sha256(self.document).hexdigest()

    def names(self, digest_key: bytes, subject: Subject, value: str) -> bool:
        """Whether a pseudonym, dataset key, data subject, data version, file's SHA-256 or actor is in the certificate.

        Args:
            digest_key: of the order, from the ledger.
            subject: what the value is.
            value: the plain text, of which the certificate holds a digest.
        """
        digest = keyed_digest(digest_key, subject, value)
        return digest in {
            *(found for digests in self.body["digests"].values() for found in digests),
            *(actor["digest"] for actor in self.body["actors"]),
        }


def verify(document: bytes, public_key: PublicKey, *, previous: bytes | None = None) -> Certificate:
    """Check a certificate; needs nothing but the public key.

    Args:
        document: the file's bytes.
        public_key: of the instance that is said to have issued it.
        previous: the certificate before it; None checks the certificate alone and not its place in the chain.

    Raises:
        CertificateRejected: a byte differs from what was signed, another instance signed it, or it does not follow
            the one before.
    """
    certificate = Certificate.parse(document)
    issuer = certificate.body["instance_id"]
    if issuer != public_key.instance_id:
        raise CertificateRejected(
            f"certificate {certificate.number} was issued by instance {str(issuer)[:40]}, and this is the public key "
            f"of instance {public_key.instance_id}: verify it with the public key of the instance that issued it"
        )
    if not public_key.has_signed(signed_bytes(certificate.body), certificate.signature):
        raise CertificateRejected(
            f"certificate {certificate.number} of instance {issuer} is not what that instance signed: it was altered; "
            "take the original file"
        )
    if previous is not None:
        _check_follows(certificate, verify(previous, public_key))
    return certificate


def verify_chain(documents: Iterable[bytes], public_key: PublicKey) -> tuple[Certificate, ...]:
    """Check all certificates of an instance, the first one first, and that none is missing between them.

    A chain that lost its newest certificates looks whole; the ledger knows which orders must have one.

    Raises:
        CertificateRejected: one is not what was signed, is missing, comes twice or is about an order that has one.
    """
    chain: list[Certificate] = []
    orders: dict[str, int] = {}
    for document in documents:
        certificate = verify(document, public_key)
        if chain:
            _check_follows(certificate, chain[-1])
        elif certificate.number != 1:
            raise CertificateRejected(
                f"the chain begins with certificate {certificate.number}: expected certificate 1: those before it are "
                "missing; restore them from a backup of the ledger"
            )
        if certificate.order_id in orders:
            raise CertificateRejected(
                f"certificates {orders[certificate.order_id]} and {certificate.number} are both of order "
                f"{certificate.order_id}: expected one: two ledgers were mixed"
            )
        orders[certificate.order_id] = certificate.number
        chain.append(certificate)
    return tuple(chain)


def proves(certificate: Certificate, digest_key: bytes, data: bytes) -> bool:
    """Whether a file with these very bytes is among what was erased.

    Args:
        certificate: one that `verify` returned.
        digest_key: of the order, from the ledger.
        data: the file's bytes.
    """
    return certificate.names(digest_key, "file", hashlib.sha256(data).hexdigest())


def signed_bytes(body: Mapping[str, Any]) -> bytes:
    """What the signature is over."""
    return b"rl_assets certificate of erasure\n" + canonical_json(dict(body))


def encoded(body: Mapping[str, Any], signature: bytes) -> bytes:
    """Write a certificate in the one way there is: any other bytes are none."""
    content = {"certificate": dict(body), "signature": signature.hex()}
    text = json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return text.encode() + b"\n"


def _check_follows(certificate: Certificate, previous: Certificate) -> None:
    if certificate.number != previous.number + 1:
        raise CertificateRejected(
            f"certificate {certificate.number} comes after certificate {previous.number} here: expected number "
            f"{previous.number + 1}: certificates are missing or in another order; take them from the ledger"
        )
    if certificate.body["previous_sha256"] != previous.sha256:
        raise CertificateRejected(
            f"certificate {certificate.number} names another certificate {previous.number} than this one as the one "
            "before it: the chain is broken; take both from one ledger"
        )

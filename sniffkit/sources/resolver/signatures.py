"""Checks signatures and key digests of DNSSEC, and says what is wrong with one that does not hold.

RFC 4034 (the records), RFC 4035 section 5 (validation), RFC 8624 (algorithms).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from importlib.util import find_spec
from time import gmtime, strftime
from typing import TYPE_CHECKING

from sniffkit.errors import NotACapture, UsageError
from sniffkit.sources.resolver.roots import TRUST_ANCHORS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import dns.name
    import dns.rrset

DNSKEY, DS, RRSIG = 48, 43, 46
DIGESTS = (1, 2, 4)
"""SHA-1, SHA-256, SHA-384."""

ALGORITHMS = (5, 7, 8, 10, 13, 14, 15, 16)
"""RSA with SHA-1, SHA-256 and SHA-512, ECDSA P-256 and P-384, Ed25519, Ed448."""

LARGEST_FILE = 65_536


@dataclass(frozen=True, slots=True)
class Checked:
    """How a check went.

    reason:   "" where it holds, else "no-keys", "no-digest-fits", "no-signature", "expired", "not-yet-valid",
              "no-such-key", "bad-signature", "denial-missing"
    wildcard: where the signature is that of a wildcard, from which the server made the name: how many labels of the
              name stand behind the asterisk; -1 otherwise
    """

    reason: str = ""
    key_tag: int = 0
    algorithm: int = 0
    expires: str = ""
    wildcard: int = -1


def read_anchors(path: str | None) -> dns.rrset.RRset:
    """Return the root's trusted digests or keys: from a file with its DS or DNSKEY records, or those built in.

    Raises UsageError ``resolver.no-cryptography`` and ``resolver.anchor-unreadable``, NotACapture
    ``resolver.anchor-missing``.
    """
    import dns.exception
    import dns.name
    import dns.zonefile

    if find_spec("cryptography") is None:  # dnspython's arithmetic
        raise UsageError("resolver.no-cryptography")
    text = "\n".join(TRUST_ANCHORS)
    if path is not None:
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                text = file.read(LARGEST_FILE)
        except OSError as error:
            raise NotACapture("resolver.anchor-missing", file=path, reason=error.strerror) from error
    try:
        sets = dns.zonefile.read_rrsets(text, rdclass=None, default_ttl=0, origin=".")
    except (dns.exception.DNSException, ValueError) as error:
        raise UsageError("resolver.anchor-unreadable", file=path or "", reason=str(error)) from error
    for kind in (DS, DNSKEY):
        for rrset in sets:
            if rrset.name == dns.name.root and rrset.rdtype == kind:
                return rrset
    raise UsageError("resolver.anchor-unreadable", file=path or "", reason="DS DNSKEY?")


def usable(digests: dns.rrset.RRset) -> bool:
    """Say whether any of the digests can be checked here; else the zone counts as unsigned (RFC 4035 5.2)."""
    return any(each.digest_type in DIGESTS and each.algorithm in ALGORITHMS for each in digests)


def check_keys(
    zone: dns.name.Name, section: Iterable[dns.rrset.RRset], trusted: dns.rrset.RRset
) -> tuple[Checked, dns.rrset.RRset | None]:
    """Check a zone's keys: one of them fits the trusted digest, and that one signs them all."""
    import dns.rrset

    section = [each for each in section if each.rdclass == trusted.rdclass]
    keys = next((each for each in section if (each.name, each.rdtype) == (zone, DNSKEY)), None)
    if keys is None:
        return Checked("no-keys"), None
    fitting = [key for key in keys if _fits(zone, key, trusted)]
    if not fitting:
        return Checked("no-digest-fits"), None
    entry = dns.rrset.from_rdata_list(zone, keys.ttl, fitting)
    checked = check_signature(keys, section, {zone: entry})
    return checked, None if checked.reason else keys


def _fits(zone: dns.name.Name, key: object, trusted: dns.rrset.RRset) -> bool:
    import dns.dnssec
    import dns.exception

    if trusted.rdtype == DNSKEY:
        return key in trusted
    for digest in trusted:
        if digest.digest_type not in DIGESTS:
            continue
        try:
            made = dns.dnssec.make_ds(zone, key, digest.digest_type, policy=dns.dnssec.allow_all_policy)  # type: ignore[arg-type]
        except (dns.exception.DNSException, ValueError):
            continue
        if made == digest:
            return True
    return False


def check_signature(
    rrset: dns.rrset.RRset, section: Iterable[dns.rrset.RRset], keys: Mapping[dns.name.Name, dns.rrset.RRset]
) -> Checked:
    """Check whether one of the signatures beside a record set holds with one of the keys."""
    import dns.dnssec
    import dns.exception

    signatures = [
        signature
        for each in section
        if each.rdclass == rrset.rdclass
        and each.rdtype == RRSIG
        and each.name == rrset.name
        and each.covers == rrset.rdtype
        for signature in each
    ]
    worst = Checked("no-signature")
    now = time.time()
    for signature in signatures:
        told = (signature.key_tag, int(signature.algorithm), _day(signature.expiration))
        if signature.expiration < now:
            worst = Checked("expired", *told)
            continue
        if signature.inception > now:
            worst = Checked("not-yet-valid", *told)
            continue
        known = keys.get(signature.signer)
        if known is None or all(dns.dnssec.key_id(key) != signature.key_tag for key in known):
            worst = Checked("no-such-key", *told)
            continue
        try:
            dns.dnssec.validate_rrsig(rrset, signature, dict(keys), policy=dns.dnssec.allow_all_policy)
        except (dns.exception.DNSException, ValueError):
            worst = Checked("bad-signature", *told)
            continue
        labels = len(rrset.name) - 1 - (rrset.name.labels[0] == b"*")
        return Checked("", *told, signature.labels if signature.labels < labels else -1)
    return worst


def algorithm_name(number: int) -> str:
    """Return the name of a signature algorithm (IANA), "" for 0."""
    import dns.dnssec

    return dns.dnssec.algorithm_to_text(number) if number else ""


def _day(seconds: int) -> str:
    return strftime("%Y-%m-%d %H:%M:%S UTC", gmtime(seconds))

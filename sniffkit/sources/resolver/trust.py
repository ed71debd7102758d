"""The chain of trust of DNSSEC: from the root's key, which is known beforehand, down to the answer's signature.

In each zone a key signs the records (RRSIG); the parent zone holds a digest of that key (DS) and signs it with its own.
Whoever trusts the root's key can so check every step (RFC 4033, 4034, 4035). The arithmetic is dnspython's, with the
``cryptography`` package.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sniffkit.sources.resolver.asking import text_of
from sniffkit.sources.resolver.denial import NSEC, NSEC3, Denial
from sniffkit.sources.resolver.judging import IN
from sniffkit.sources.resolver.signatures import Checked, algorithm_name, check_keys, check_signature, usable
from sniffkit.sources.resolver.trace import Proof, Server
from sniffkit.sources.resolver.zones import Zone

if TYPE_CHECKING:
    from collections.abc import Generator

    import dns.message
    import dns.name
    import dns.rrset

    from sniffkit.sources.resolver.judging import Judgement
    from sniffkit.sources.resolver.trace import Asked, Event, Hop, Security
    from sniffkit.sources.resolver.walk import Walk


class Trust:
    """Checks what a walk finds, zone by zone; asks for the keys it needs.

    anchors:   DS or DNSKEY records of the root
    bogus_hop: number of the first hop at which something did not hold, 0 where all did
    """

    def __init__(self, anchors: dns.rrset.RRset) -> None:
        self._anchors = anchors
        self.bogus_hop = 0
        self._proved: dict[dns.name.Name, tuple[Security, dns.rrset.RRset | None]] = {}

    def inherit(self, parent: Zone, child: Zone) -> None:
        """Hand down what the referral proved; below a zone that is unsigned or bogus nothing can be proved."""
        status, child.ds = self._proved.get(child.name, (parent.trust, None))
        child.trust = "" if child.ds is not None else status  # with a digest, its keys are still to be looked at

    def check(
        self, walk: Walk, hop: Hop, zone: Zone, message: dns.message.Message, judgement: Judgement, answering: Asked
    ) -> Generator[Event, None, Security]:
        """Check one hop's outcome; return what it is worth."""
        yield from self._keys(walk, hop, zone, answering)
        if zone.trust != "secure":
            if judgement.zone is not None:
                self._proved[judgement.zone] = (zone.trust, None)
            return zone.trust
        if judgement.outcome == "referral" and judgement.zone is not None:
            return (yield from self._delegation(hop, zone, message, judgement.zone))
        if judgement.outcome in ("nxdomain", "nodata"):
            return (yield from self._denied(walk, hop, zone, message, judgement, answering))
        return (yield from self._signed(walk, hop, zone, message, judgement, answering))

    # the zone's keys

    def _keys(self, walk: Walk, hop: Hop, zone: Zone, answering: Asked) -> Generator[Event, None, None]:
        """Fetch a zone's keys and check them against the digest that the parent signed, once for each zone."""
        import dns.name

        if zone.trust:
            return
        digests = self._anchors if zone.name == dns.name.root else zone.ds
        name = text_of(zone.name)
        message = yield from self._fetch(walk, hop, answering, name, "DNSKEY")
        if digests is None or message is None:
            zone.trust = "bogus"
            yield self._proof(hop, "keys", zone, name, "DNSKEY", Checked("no-keys"))
            return
        checked, keys = check_keys(zone.name, message.answer, digests)
        zone.trust = "bogus" if checked.reason else "secure"
        if keys is not None:
            zone.keys = {zone.name: keys}
        yield self._proof(hop, "anchor" if zone.name == dns.name.root else "keys", zone, name, "DNSKEY", checked)

    def _fetch(
        self, walk: Walk, hop: Hop, answering: Asked, name: str, kind: str
    ) -> Generator[Event, None, dns.message.Message | None]:
        """Ask the server that answered this hop one thing more."""
        server = Server(answering.server, [answering.address], answering.source, answering.port)
        message, asked = yield from walk.question(hop, server, answering.address, name, kind)
        if message is not None:
            asked.verdict = "keys" if kind == "DNSKEY" else "digest"
            yield asked
        return message

    # what the zone says

    def _delegation(
        self, hop: Hop, zone: Zone, message: dns.message.Message, child: dns.name.Name
    ) -> Generator[Event, None, Security]:
        """Check what a referral says of the child's keys: their digest, or that there is none."""
        import dns.rdatatype

        digest = next(
            (e for e in message.authority if e.rdclass == IN and (e.name, e.rdtype) == (child, dns.rdatatype.DS)), None
        )
        status: Security
        if digest is not None:
            checked = check_signature(digest, message.authority, zone.keys)
            status = "bogus" if checked.reason else "secure" if usable(digest) else "insecure"
            yield self._proof(hop, "ds", zone, text_of(child), "DS", checked, status)
        else:
            denial, checked = self._denial(zone, message)
            if not checked.reason and not denial.unsigned_delegation(child):
                checked = Checked("denial-missing")
            status = "bogus" if checked.reason else "insecure"
            yield self._proof(hop, "no-ds", zone, text_of(child), "DS", checked, status)
        self._proved[child] = (status, digest if status == "secure" else None)
        return status

    def _signed(
        self, walk: Walk, hop: Hop, zone: Zone, message: dns.message.Message, judgement: Judgement, answering: Asked
    ) -> Generator[Event, None, Security]:
        """Check the signature of each record set that the answer stands on."""
        import dns.rdatatype

        made_from: list[dns.name.Name] = []
        for rrset in judgement.used:
            if rrset.rdtype == dns.rdatatype.CNAME and any(rrset.name.is_subdomain(each) for each in made_from):
                continue  # a server makes this alias from a DNAME, whose signature counts
            if rrset.rdtype == dns.rdatatype.RRSIG:
                continue
            signer = next(
                (
                    each[0].signer
                    for each in message.answer
                    if each.rdclass == IN and each.name == rrset.name and each.covers == rrset.rdtype
                ),
                None,
            )
            judge = zone
            if signer is None or signer != zone.name:
                judge = yield from self._step_down(walk, hop, zone, signer or rrset.name, answering)
            if judge.trust != "secure":
                return judge.trust
            checked = check_signature(rrset, message.answer, judge.keys)
            if not checked.reason and checked.wildcard >= 0:
                denial, below = self._denial(judge, message)
                if below.reason or not denial.no_closer_name(rrset.name, checked.wildcard):
                    checked = Checked("denial-missing")
            kind = dns.rdatatype.to_text(rrset.rdtype)
            yield self._proof(hop, "answer", judge, text_of(rrset.name), kind, checked)
            if checked.reason:
                return "bogus"
            if rrset.rdtype == dns.rdatatype.DNAME:
                made_from.append(rrset.name)
        return "secure"

    def _denied(
        self, walk: Walk, hop: Hop, zone: Zone, message: dns.message.Message, judgement: Judgement, answering: Asked
    ) -> Generator[Event, None, Security]:
        """Check the proof that a name or a type is not there."""
        import dns.name
        import dns.rdatatype

        name, kind = dns.name.from_text(hop.name), dns.rdatatype.from_text(hop.type)
        signer = next(
            (e[0].signer for e in message.authority if (e.rdclass, e.rdtype) == (IN, dns.rdatatype.RRSIG)), None
        )
        judge = zone
        if signer is None or signer != zone.name:
            judge = yield from self._step_down(walk, hop, zone, signer or name, answering)
        if judge.trust != "secure":
            return judge.trust
        denial, checked = self._denial(judge, message)
        proved = denial.no_name(name) if judgement.outcome == "nxdomain" else denial.no_type(name, kind)
        if not checked.reason and not proved:
            checked = Checked("denial-missing")
        yield self._proof(hop, judgement.outcome, judge, hop.name, hop.type, checked)
        return "bogus" if checked.reason else "secure"

    def _denial(self, zone: Zone, message: dns.message.Message) -> tuple[Denial, Checked]:
        """Return the gaps an answer shows, and whether all of them are rightly signed."""
        gaps = [each for each in message.authority if each.rdclass == IN and each.rdtype in (NSEC, NSEC3)]
        checked = Checked("" if gaps else "denial-missing")
        for gap in gaps:
            checked = check_signature(gap, message.authority, zone.keys)
            if checked.reason:
                break
        return Denial(zone.name, [] if checked.reason else gaps), checked

    def _step_down(
        self, walk: Walk, hop: Hop, zone: Zone, target: dns.name.Name, answering: Asked
    ) -> Generator[Event, None, Zone]:
        """Go from a zone to the one below that answered in its stead, where one server serves both.

        No referral was seen, so the digests are asked for, one name after the other. Returns the zone that speaks for
        ``target``: its ``trust`` says how far that is proved.
        """
        import dns.rdatatype

        if not target.is_subdomain(zone.name):
            return Zone(target, [], hop.number, "bogus")
        at = zone
        for depth in range(len(zone.name) + 1, len(target) + 1):
            child = target.split(depth)[1]
            message = yield from self._fetch(walk, hop, answering, text_of(child), "DS")
            if message is None:
                break
            digest = next(
                (e for e in message.answer if e.rdclass == IN and (e.name, e.rdtype) == (child, dns.rdatatype.DS)), None
            )
            if digest is None:
                denial, checked = self._denial(at, message)
                if not checked.reason and denial.unsigned_delegation(child):
                    yield self._proof(hop, "no-ds", at, text_of(child), "DS", checked, "insecure")
                    return Zone(child, [], hop.number, "insecure")
                continue
            checked = check_signature(digest, message.answer, at.keys)
            status: Security = "bogus" if checked.reason else "secure" if usable(digest) else "insecure"
            yield self._proof(hop, "ds", at, text_of(child), "DS", checked, status)
            below = Zone(child, [], hop.number, "" if status == "secure" else status, digest)
            yield from self._keys(walk, hop, below, answering)
            if below.trust != "secure":
                return below
            at = below
        return at

    def _proof(
        self, hop: Hop, what: str, zone: Zone, name: str, kind: str, checked: Checked, status: Security = ""
    ) -> Proof:
        if checked.reason and not self.bogus_hop:
            self.bogus_hop = hop.number
        return Proof(
            hop.number,
            hop.depth,
            what,
            text_of(zone.name),
            name,
            kind,
            status or ("bogus" if checked.reason else "secure"),
            checked.key_tag,
            algorithm_name(checked.algorithm),
            checked.expires,
            checked.reason,
        )

"""The data of records is written as in a zone file: for each type as dnspython writes it, of any octets it accepts."""

from __future__ import annotations

import random

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import pytest

from sniffkit.protocols.columns import Columns
from sniffkit.protocols.dns_data import Type, data_text, type_name
from sniffkit.sources import open_capture
from tests.analysis.reference import NEEDED, captures

STYLE = dns.rdata.RdataStyle(base64_chunk_size=0, hex_chunk_size=0, omit_final_dot=True)

RECORDS = """
A 192.0.2.1
AAAA 2001:db8::1
NS ns1.example.com
CNAME www.example.com
DNAME example.net
PTR host\\.with\\.dots.example
SOA ns1.example.com root.example.com 7 1800 900 604800 86400
MX 10 mail.example.com
KX 10 kx.example.com
AFSDB 1 afs.example.com
RP admin.example.com txt.example.com
HINFO "PC" "Linux \\"6\\""
TXT "v=spf1 -all" "tab \\009 and \\\\ backslash" ""
SPF "v=spf1 -all"
SRV 1 2 5060 sip.example.com
NAPTR 100 10 "U" "E2U+sip" "!^.*$!sip:info@example.com!" .
NAPTR 1 2 "" "" "" next.example.com
CERT PKIX 12345 RSASHA256 AAECAw==
CERT 99 1 200 AAECAw==
LOC 52 22 23.000 N 4 53 32.000 E -2.00m 1.00m 10000.00m 10.00m
LOC 33 51 35.900 S 151 12 40.000 W 44.00m 0.05m 100.00m 2.00m
SSHFP 4 2 123456789abcdef67890123456789abcdef67890123456789abcdef123456789
DHCID AAIBY2/AuCccgoJbsaxcQc9TUapptP69lOjxfNuVAA2kjEA=
DS 20326 8 2 e06d44b80b8f1d39a95c0b0d7c65d08458e880409bbc683457104237c7f8ec8d
CDS 0 0 0 00
DNSKEY 257 3 13 mdsswUyr3DPW132mOi8V9xESWE8jTo0dxCjjnopKl+GqJxpVXckHAeF+KkxLbxILfDLUT0rAK9iUzy1L53eKGQ==
CDNSKEY 257 3 13 mdsswUyr3DPW132mOi8V9xESWE8jTo0dxCjjnopKl+GqJxpVXckHAeF+KkxLbxILfDLUT0rAK9iUzy1L53eKGQ==
RRSIG A 8 2 60 20240101000000 20231201000000 12345 example.com c2ln
NSEC www.example.com A NS SOA RRSIG NSEC TYPE1234
NSEC3 1 1 12 aabbccdd 2vptu5timamqttgl4luu9kg21e0aor3s A RRSIG
NSEC3 1 0 0 - 2vptu5timamqttgl4luu9kg21e0aor3s
NSEC3PARAM 1 0 12 aabbccdd
NSEC3PARAM 1 0 0 -
TLSA 3 1 1 d2abde240d7cd3ee6b4b28c54df034b9797900ba3d4fb45bb9b6aac3a2a9b1b5
SMIMEA 3 0 0 0102030405
OPENPGPKEY mQENBFoo
CSYNC 66 3 A NS AAAA
ZONEMD 2018031900 1 240 616c6c6f776564206275742069676e6f7265642e20616c6c6f77656420627574
SVCB 1 svc.example.net alpn="bar" port="8004"
SVCB 0 alias.example.com
SVCB 16 foo.example.org mandatory="alpn,ipv4hint" alpn="h2,h3-19" ipv4hint="192.0.2.1,192.0.2.2" key667="hello \\210qoo"
HTTPS 1 . alpn="h2,h3" no-default-alpn ipv4hint="192.0.2.1" ech="AAT+AAAA" ipv6hint="2001:db8::1" ohttp
HTTPS 2 svc.example.net dohpath="/q{?dns}" docpath="a,b"
HTTPS 1 . alpn="f\\\\\\\\oo\\\\,bar,h2"
CAA 0 issue "ca.example.net; policy=ev"
CAA 128 iodef "mailto:security@example.com"
URI 10 1 "ftp://ftp1.example.com/public \\"x\\""
EUI48 00-00-5e-00-53-2a
EUI64 00-00-5e-ef-10-00-00-2a
TYPE4321 \\# 3 010203
TYPE4322 \\# 0
"""


def read(text: str) -> tuple[int, dns.rdata.Rdata]:
    kind, data = text.split(maxsplit=1)
    number = dns.rdatatype.from_text(kind)
    return number, dns.rdata.from_text(dns.rdataclass.IN, number, data, origin=dns.name.root, relativize=False)


@pytest.mark.parametrize("text", RECORDS.strip().splitlines(), ids=lambda text: text.split()[0])
def test_each_type_is_written_as_in_a_zone_file(text: str) -> None:
    number, rdata = read(text)
    octets = rdata.to_wire()
    assert octets is not None
    kind, data = text.split(maxsplit=1)
    assert type_name(number) == kind
    assert data_text(octets, 0, len(octets), number) == data


def test_every_type_with_a_name_has_an_example() -> None:
    """But for those that are no data: questions, and what is said about a message or a key."""
    there = {text.split()[0] for text in RECORDS.strip().splitlines()}
    other = {"NULL", "SIG", "KEY", "OPT", "TKEY", "TSIG", "IXFR", "AXFR", "ANY"}
    assert {kind.name for kind in Type} == {kind for kind in there if not kind.startswith("TYPE")} | other


def like_dnspython(octets: bytes, number: int) -> str | None:
    """Return what dnspython writes of data, None where it refuses it."""
    try:
        return str(dns.rdata.from_wire(dns.rdataclass.IN, number, octets, 0, len(octets)).to_styled_text(STYLE))
    except (dns.exception.DNSException, ValueError, OverflowError):
        return None


def same(ours: str, theirs: str, number: int) -> bool:
    """A place is written with its size by us, as dig does, and only where that is unusual by dnspython."""
    return ours.startswith(theirs) if number == Type.LOC else ours == theirs


@pytest.mark.parametrize("text", RECORDS.strip().splitlines(), ids=lambda text: text.split()[0])
def test_damaged_data_reads_as_in_dnspython_or_stays_octets(text: str) -> None:
    number, rdata = read(text)
    whole = rdata.to_wire()
    assert whole is not None
    chance = random.Random(text)
    for _ in range(300):
        octets = bytearray(whole)
        for _ in range(chance.randrange(1, 3)):
            if octets and chance.random() < 0.7:
                octets[chance.randrange(len(octets))] = chance.randrange(256)
            elif chance.random() < 0.5:
                octets = octets[: chance.randrange(len(octets) + 1)]
            else:
                octets.append(chance.randrange(256))
        ours, theirs = data_text(bytes(octets), 0, len(octets), number), like_dnspython(bytes(octets), number)
        assert ours.isascii()
        assert ours.isprintable()
        if theirs is not None and not ours.startswith("\\#"):
            assert same(ours, theirs, number)


@NEEDED
def test_the_records_of_the_corpus() -> None:
    """Every record that dnspython reads, in whole messages so that names are unpacked."""
    import dns.message

    from sniffkit.analysis.dns.reader import DnsReader
    from sniffkit.protocols.dns_message import read_message

    equal, different = 0, []
    for name, path in captures("dns"):
        reader = DnsReader()
        with open_capture(path) as source:
            for batch in source:
                messages = reader.feed(Columns(batch))
                for at in range(len(messages)):
                    start = int(messages.offset[at])
                    octets = messages.octets[start : start + int(messages.present[at])].tobytes()
                    try:
                        whole = dns.message.from_wire(octets, one_rr_per_rrset=True, raise_on_truncation=False)
                    except Exception:  # what dnspython does not read, however it fails, is no reference
                        continue
                    ours = read_message(octets)
                    sections = zip(
                        (ours.answers, ours.authorities, ours.additionals),
                        (whole.answer, whole.authority, whole.additional),
                        strict=True,
                    )
                    for mine, theirs in sections:
                        if len(mine) != len(theirs):
                            continue  # dynamic updates and signatures stand elsewhere there
                        for record, rrset in zip(mine, theirs, strict=True):
                            if not len(rrset) or record.class_ != dns.rdataclass.IN:
                                continue  # multicast DNS marks the class
                            text = str(rrset[0].to_styled_text(STYLE))
                            if same(record.data, text, record.type):
                                equal += 1
                            else:
                                different.append((name, record.type, record.data[:80], text[:80]))
    print(f"DNS records: {equal} written as dnspython does, {len(different)} otherwise")
    assert equal > 1000
    assert len(different) <= equal // 1000, different[:20]

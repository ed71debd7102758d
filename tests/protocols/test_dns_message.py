"""DNS messages read whole: what dnspython reads of them we read too, and nothing they say can harm us."""

from __future__ import annotations

import dns.message
import dns.rdatatype
import dns.rrset
from hypothesis import given, settings
from hypothesis import strategies as st

from sniffkit.protocols.dns_data import rcode_name, type_name
from sniffkit.protocols.dns_message import read_message

ZONE = """
www.example.com. 300 IN CNAME web.example.com.
web.example.com. 60 IN A 192.0.2.1
web.example.com. 60 IN AAAA 2001:db8::1
example.com. 3600 IN MX 10 mail.example.com.
example.com. 3600 IN NS ns1.example.com.
example.com. 3600 IN SOA ns1.example.com. root.example.com. 7 1800 900 604800 86400
example.com. 3600 IN TXT "v=spf1 -all" "second \\"string\\""
_sip._udp.example.com. 60 IN SRV 1 2 5060 sip.example.com.
example.com. 60 IN CAA 0 issue "ca.example.net"
1.2.0.192.in-addr.arpa. 60 IN PTR www.example.com.
example.com. 60 IN DS 20326 8 2 e06d44b80b8f1d39a95c0b0d7c65d08458e880409bbc683457104237c7f8ec8d
example.com. 60 IN NSEC www.example.com. A NS SOA RRSIG NSEC TYPE1234
example.com. 60 IN RRSIG A 8 2 60 20240101000000 20231201000000 12345 example.com. c2ln
a\\.b.example.com. 60 IN A 192.0.2.7
"""


def test_the_types_met_in_practice_are_written_as_in_a_zone_file() -> None:
    for line in ZONE.strip().splitlines():
        owner, ttl, _, kind, data = line.split(maxsplit=4)
        whole = dns.message.make_query(owner, kind)
        whole.answer.append(dns.rrset.from_text(owner, int(ttl), "IN", kind, data))
        message = read_message(whole.to_wire())
        (record,) = message.answers
        assert (record.name + ".", record.ttl, type_name(record.type)) == (owner, int(ttl), kind)
        # zone files end names with a dot, CONTRACT.md does not
        assert record.data.replace(". ", " ") == " ".join(
            word.removesuffix(".") if not word.startswith('"') else word for word in data.split(" ")
        )
        assert message.problems == []


def test_an_unknown_type_keeps_its_octets() -> None:
    whole = dns.message.make_query("example.com", "TYPE4321")
    whole.answer.append(dns.rrset.from_text("example.com.", 1, "IN", "TYPE4321", "\\# 3 010203"))
    (record,) = read_message(whole.to_wire()).answers
    assert (type_name(record.type), record.data) == ("TYPE4321", "\\# 3 010203")


def test_edns_is_told_apart_from_records_and_extends_the_response_code() -> None:
    whole = dns.message.make_query("example.com", "A", use_edns=0, payload=1232, want_dnssec=True)
    message = read_message(whole.to_wire())
    assert message.additionals == []
    assert message.edns is not None
    assert (message.edns.udp_payload, message.edns.dnssec_ok, message.edns.version) == (1232, True, 0)
    reply = dns.message.make_response(whole)
    reply.set_rcode(16)
    assert rcode_name(read_message(reply.to_wire()).rcode) == "BADVERS"


HEADER = bytes.fromhex("1234 8180 0001 0000 0000 0000".replace(" ", ""))


def problem(octets: bytes) -> str:
    (found,) = read_message(octets).problems
    return found.id


def test_a_name_that_points_at_itself_is_a_loop() -> None:
    assert problem(HEADER + b"\xc0\x0c" + b"\0\1\0\1") == "dns.name-loop"
    assert problem(HEADER + b"\xc0\x0e\xc0\x0c" + b"\0\1\0\1") == "dns.name-loop"
    assert problem(HEADER + b"\1a\xc0\x0c" + b"\0\1\0\1") == "dns.name-long"


def test_a_pointer_forward_is_against_the_rules_and_followed_all_the_same() -> None:
    message = read_message(HEADER + b"\xc0\x12" + b"\0\1\0\1" + b"\1a\0")
    assert message.questions[0].name == "a"


def test_a_name_over_255_octets_and_a_kind_of_label_nobody_knows() -> None:
    assert problem(HEADER + (b"\x3f" + b"a" * 63) * 4 + b"\0\0\1\0\1") == "dns.name-long"
    assert problem(HEADER + b"\x80a\0\0\1\0\1") == "dns.label-kind"


def test_counts_that_promise_more_than_there_is() -> None:
    message = read_message(HEADER[:4] + b"\0\1\0\x09\0\0\0\0" + b"\1a\0\0\1\0\1")
    assert [question.name for question in message.questions] == ["a"]
    assert message.problems[0].id == "dns.message-cut"
    assert problem(HEADER[:7]) == "dns.message-cut"


@given(st.binary(max_size=400), st.booleans())
@settings(max_examples=300)
def test_any_octets_are_a_message_or_a_problem(octets: bytes, with_header: bool) -> None:
    message = read_message((HEADER[:4] + b"\0\1\0\2\0\2\0\2" if with_header else b"") + octets)
    for record in (*message.answers, *message.authorities, *message.additionals):
        assert record.name.isascii()
        assert record.data.isascii()
        assert record.data.isprintable()


def test_a_message_of_compressed_names_does_not_grow_without_end() -> None:
    """Sixty thousand octets of pointers: each name is still at most 255 octets, and reading ends."""
    names = (b"\x3f" + b"a" * 63) * 3 + b"\0"
    record = b"\xc0\x0c\0\1\0\1\0\0\0\0\0\0"
    octets = HEADER[:4] + b"\0\1\x13\x88\0\0\0\0" + names + b"\0\1\0\1" + record * 5000
    assert len(read_message(octets).answers) == 4096

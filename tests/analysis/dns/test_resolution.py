"""DNS as a class sees it: a question, its answer, and what kind of answer it is.

The client is 10.0.0.2, its resolver 10.0.0.53; a resolver that walks down by itself asks root, .test and example.test.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.rrset
import numpy as np
import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6, IPv6ExtHdrHopByHop, RouterAlert
from scapy.layers.l2 import Ether

from sniffkit.analysis.dns.exchange import question_name
from sniffkit.analysis.dns.reader import DnsReader
from sniffkit.analysis.dns.resolution import DnsResolution
from sniffkit.protocols.columns import Columns
from sniffkit.sources import open_capture
from tests.analysis.messages import batches, ids, one, sentences, told, told_of_file
from tests.analysis.reference import NEEDED, captures, reference

CLIENT, RESOLVER = "10.0.0.2", "10.0.0.53"
ROOT_SERVER, TLD_SERVER, OWN_SERVER = "192.0.2.1", "192.0.2.2", "192.0.2.3"
LINK = Ether(src="02:00:00:00:00:0a", dst="02:00:00:00:00:0b")
ROOT = Path(__file__).parents[3]

TSHARK = pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")


def asked(name: str, kind: str = "A", id: int = 7, rd: bool = True) -> dns.message.Message:
    query = dns.message.make_query(name, kind, flags=dns.flags.RD if rd else 0)
    query.id = id
    return query


def answer(
    query: dns.message.Message,
    *records: str,
    authority: tuple[str, ...] = (),
    additional: tuple[str, ...] = (),
    rcode: str = "NOERROR",
    flags: str = "QR RD RA",
) -> dns.message.Message:
    """Answer with records written as in a zone file: ``www.test. 60 IN A 192.0.2.9``."""
    reply = dns.message.make_response(query)
    reply.flags = dns.flags.from_text(flags)
    reply.set_rcode(dns.rcode.from_text(rcode))
    sections = ((reply.answer, records), (reply.authority, authority), (reply.additional, additional))
    for section, lines in sections:
        for line in lines:
            owner, ttl, _, kind, data = line.split(maxsplit=4)
            section.append(dns.rrset.from_text(owner, int(ttl), "IN", kind, data))
    return reply


def sent(
    message: dns.message.Message | bytes, source: str = CLIENT, destination: str = RESOLVER, port: int = 40000
) -> bytes:
    """Put a message into UDP: ``port`` is the client's, 53 the server's."""
    octets = message if isinstance(message, bytes) else message.to_wire()
    reply = bool(octets[2] & 0x80)
    ends = UDP(sport=53, dport=port) if reply else UDP(sport=port, dport=53)
    return bytes(LINK / IP(src=source, dst=destination) / ends / octets)


def back(message: dns.message.Message, server: str = RESOLVER, client: str = CLIENT, port: int = 40000) -> bytes:
    return sent(message, server, client, port)


def over_tcp(message: dns.message.Message, reply: bool = False, cut: int | None = None) -> bytes:
    octets = message.to_wire()
    octets = (len(octets).to_bytes(2, "big") + octets)[:cut]
    ends = TCP(sport=53, dport=50000, flags="PA") if reply else TCP(sport=50000, dport=53, flags="PA")
    source, destination = (RESOLVER, CLIENT) if reply else (CLIENT, RESOLVER)
    return bytes(LINK / IP(src=source, dst=destination) / ends / octets)


def test_an_answer_belongs_to_its_question() -> None:
    query = asked("www.example.test")
    resolution = DnsResolution()
    facts = told(resolution, [sent(query), back(answer(query, "www.example.test. 300 IN A 192.0.2.9"))])
    assert one(facts, 1, "dns.query.recursive")["name"] == "www.example.test"
    assert one(facts, 2, "dns.response.answer") == {
        "name": "www.example.test", "type": "A", "client": CLIENT, "server": RESOLVER,
        "number": 1, "elapsed_ns": 1_000_000, "data": ("192.0.2.9",),
    }  # fmt: skip
    assert "dns.response.resolver" in ids(facts, 2)
    (exchange,) = resolution.finish()
    assert (exchange.query_packets, exchange.response_packets) == ([1], [2])
    assert (exchange.id, exchange.name, exchange.type_name) == (7, "www.example.test", "A")
    assert (exchange.rcode, exchange.kind, exchange.flags) == ("NOERROR", "answer", ["rd", "ra"])
    assert (exchange.client, exchange.client_port, exchange.server, exchange.server_port) == (
        CLIENT, 40000, RESOLVER, 53,
    )  # fmt: skip
    sentences(facts)


def test_the_answer_may_come_in_a_later_batch_and_names_are_alike_in_any_letters() -> None:
    query = asked("WWW.Example.test")
    reply = answer(asked("www.example.test"), "www.example.test. 300 IN A 192.0.2.9")
    facts = told(DnsResolution(), [sent(query), back(reply)], size=1)
    assert one(facts, 2, "dns.response.answer")["number"] == 1


def test_two_questions_from_one_port_are_told_apart_by_id() -> None:
    a, aaaa = asked("h.test", "A", 1), asked("h.test", "AAAA", 2)
    facts = told(
        DnsResolution(),
        [sent(a), sent(aaaa), back(answer(aaaa, "h.test. 1 IN AAAA ::1")), back(answer(a, "h.test. 1 IN A 1.2.3.4"))],
    )
    assert one(facts, 3, "dns.response.answer")["number"] == 2
    assert one(facts, 4, "dns.response.answer")["number"] == 1


def test_a_question_asked_again_is_one_question() -> None:
    """Time counts from the first sending; a second answer belongs to the same question."""
    query = asked("slow.test")
    reply = answer(query, "slow.test. 300 IN A 192.0.2.9")
    resolution = DnsResolution()
    facts = told(resolution, [(0, sent(query)), (5, sent(query)), (5.1, back(reply)), (5.2, back(reply))])
    again = one(facts, 2, "dns.query.again")
    assert (again["number"], again["first"], again["times"], again["elapsed_ns"]) == (1, 1, 2, 5 * 10**9)
    assert one(facts, 3, "dns.response.answer")["elapsed_ns"] == 5_100_000_000
    assert one(facts, 3, "dns.response.after-repeats")["times"] == 2
    assert one(facts, 4, "dns.response.again")["number"] == 3
    (exchange,) = resolution.finish()
    assert (exchange.query_packets, exchange.response_packets) == ([1, 2], [3, 4])
    sentences(facts)


def test_the_next_server_is_tried() -> None:
    query = asked("h.test")
    facts = told(DnsResolution(), [sent(query), sent(asked("h.test", id=8), destination="10.0.0.54", port=40001)])
    assert one(facts, 2, "dns.query.other-server")["other"] == RESOLVER
    sentences(facts)


SOA = "example.test. 300 IN SOA ns.example.test. root.example.test. 1 2 3 4 300"
KINDS = {
    "nxdomain": {"authority": (SOA,), "rcode": "NXDOMAIN"},
    "nodata": {"authority": (SOA,)},
    "truncated": {"flags": "QR TC RD RA"},
    "servfail": {"rcode": "SERVFAIL"},
    "refused": {"rcode": "REFUSED", "flags": "QR RD"},
    "formerr": {"rcode": "FORMERR"},
    "notimp": {"rcode": "NOTIMP"},
    "other-error": {"rcode": "NOTAUTH"},
    "lame": {"flags": "QR"},
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_response_says_in_a_word_what_it_amounts_to(kind: str) -> None:
    query = asked("www.example.test")
    resolution = DnsResolution()
    facts = told(resolution, [sent(query), back(answer(query, **KINDS[kind]))])  # type: ignore[arg-type]
    assert ids(facts, 2)[0] == f"dns.response.{kind}"
    (exchange,) = resolution.finish()
    assert exchange.kind == kind
    sentences(facts)


def test_an_alias_is_followed_in_one_answer() -> None:
    query = asked("www.test")
    records = (
        "www.test. 60 IN CNAME cdn.example.",
        "cdn.example. 60 IN CNAME a.example.",
        "a.example. 9 IN A 192.0.2.9",
    )
    facts = told(DnsResolution(), [sent(query), back(answer(query, *records))])
    fact = one(facts, 2, "dns.response.cname-chain")
    assert (fact["chain"], fact["data"]) == ("www.test → cdn.example → a.example", ("192.0.2.9",))
    facts = told(DnsResolution(), [sent(query), back(answer(query, records[0], flags="QR AA"))])
    assert one(facts, 2, "dns.response.alias-only")["chain"] == "www.test → cdn.example"
    sentences(facts)


def test_any_asks_for_records_of_every_type() -> None:
    query = asked("www.test", "ANY")
    facts = told(
        DnsResolution(), [sent(query), back(answer(query, "www.test. 9 IN A 192.0.2.9", "www.test. 9 IN TXT hello"))]
    )
    assert one(facts, 1, "dns.query.any")["name"] == "www.test"
    assert one(facts, 2, "dns.response.any")["data"] == ("A 192.0.2.9", 'TXT "hello"')
    sentences(facts)


@pytest.mark.parametrize(("operation", "id"), [(4, "dns.notify"), (5, "dns.update"), (6, "dns.other-operation")])
def test_what_is_no_lookup_is_named(operation: int, id: str) -> None:
    query = asked("school.test", "SOA")
    query.flags = operation << 11
    octets = dns.message.Message.to_wire(query)
    reply = octets[:2] + bytes([octets[2] | 0x80]) + octets[3:]
    facts = told(DnsResolution(), [sent(octets), sent(reply, RESOLVER, CLIENT)])
    assert one(facts, 1, id)["name"] == "school.test"
    assert one(facts, 2, "dns.response.done")["number"] == 1
    sentences(facts)


def test_a_circle_of_aliases_ends() -> None:
    query = asked("a.test")
    facts = told(
        DnsResolution(),
        [sent(query), back(answer(query, "a.test. 60 IN CNAME b.test.", "b.test. 60 IN CNAME a.test."))],
    )
    assert one(facts, 2, "dns.response.alias-only")["chain"] == "a.test → b.test → a.test"


def test_a_referral_names_the_next_servers_and_glue_their_addresses() -> None:
    query = asked("www.example.test", rd=False)
    root = answer(
        query, authority=("test. 9 IN NS ns.test.",), additional=(f"ns.test. 9 IN A {TLD_SERVER}",), flags="QR"
    )
    tld = answer(query, authority=("example.test. 9 IN NS ns.elsewhere.example.",), flags="QR")
    facts = told(
        DnsResolution(),
        [
            sent(query, RESOLVER, ROOT_SERVER),
            back(root, ROOT_SERVER, RESOLVER),
            sent(query, RESOLVER, TLD_SERVER),
            back(tld, TLD_SERVER, RESOLVER),
        ],
    )
    assert "dns.query.iterative" in ids(facts, 1)
    glue = one(facts, 2, "dns.response.referral-with-glue")
    assert (glue["zone"], glue["servers"], glue["address"]) == ("test", ("ns.test",), TLD_SERVER)
    assert one(facts, 4, "dns.response.referral")["zone"] == "example.test"
    sentences(facts)


def test_a_server_that_refers_upwards_is_lame() -> None:
    """The root named it for test., and it sends us back to the root, or to test. again."""
    query = asked("www.example.test", rd=False)
    root = answer(
        query, authority=("test. 9 IN NS ns.test.",), additional=(f"ns.test. 9 IN A {TLD_SERVER}",), flags="QR"
    )
    for upwards in (". 9 IN NS a.root.", "test. 9 IN NS ns.test.", "other. 9 IN NS ns.other."):
        facts = told(
            DnsResolution(),
            [
                sent(query, RESOLVER, ROOT_SERVER),
                back(root, ROOT_SERVER, RESOLVER),
                sent(query, RESOLVER, TLD_SERVER),
                back(answer(query, authority=(upwards,), flags="QR"), TLD_SERVER, RESOLVER),
            ],
        )
        assert ids(facts, 4)[0] == "dns.response.lame", upwards


def test_a_resolver_asks_on_behalf_of_its_client() -> None:
    """Names that fit belong together, a shortened one too (RFC 9156); after the answer nothing does."""
    query, upward = asked("www.example.test"), asked("www.example.test", id=9, rd=False)
    shorter = asked("test", "NS", id=10, rd=False)
    resolution = DnsResolution()
    facts = told(
        resolution,
        [
            sent(query),
            sent(shorter, RESOLVER, ROOT_SERVER),
            sent(upward, RESOLVER, OWN_SERVER),
            back(answer(upward, "www.example.test. 60 IN A 192.0.2.9", flags="QR AA"), OWN_SERVER, RESOLVER),
            back(answer(query, "www.example.test. 60 IN A 192.0.2.9")),
            sent(asked("www.example.test", id=11, rd=False), RESOLVER, OWN_SERVER),
        ],
    )
    assert one(facts, 2, "dns.query.on-behalf")["number"] == 1
    assert one(facts, 3, "dns.query.on-behalf")["number"] == 1
    assert "dns.query.on-behalf" not in ids(facts, 6)
    assert "dns.response.authoritative" in ids(facts, 4)
    assert [exchange.asked_for for exchange in resolution.finish()] == [0, 1, 1, 0]
    sentences(facts)


def test_a_time_to_live_that_went_down_comes_from_a_cache() -> None:
    query = asked("www.test")
    facts = told(
        DnsResolution(),
        [
            (0, sent(query)),
            (0.1, back(answer(query, "www.test. 300 IN A 192.0.2.9"))),
            (60, sent(query)),
            (60.1, back(answer(query, "www.test. 240 IN A 192.0.2.9"))),
        ],
    )
    cached = one(facts, 4, "dns.response.from-cache")
    assert (cached["before"], cached["ttl"], cached["number"]) == (300, 240, 2)
    sentences(facts)


def test_truncated_over_udp_then_asked_again_over_tcp() -> None:
    query = asked("big.test", "TXT")
    reply = answer(query, 'big.test. 1 IN TXT "much"')
    resolution = DnsResolution()
    facts = told(
        resolution,
        [sent(query), back(answer(query, flags="QR TC RD RA")), over_tcp(query), over_tcp(reply, reply=True)],
    )
    assert one(facts, 3, "dns.query.after-truncation")["number"] == 2
    assert one(facts, 4, "dns.response.answer")["number"] == 3
    assert [(e.transport, e.kind) for e in resolution.finish()] == [("udp", "truncated"), ("tcp", "answer")]
    sentences(facts)


def test_a_message_split_over_segments_is_passed_over() -> None:
    """Its stream is not put together yet: nothing is said, and nothing breaks."""
    reply = answer(asked("big.test", "TXT"), 'big.test. 1 IN TXT "much"')
    octets = reply.to_wire()
    half = bytes(LINK / IP(src=RESOLVER, dst=CLIENT) / TCP(sport=53, dport=50000) / octets[20:])
    assert told(DnsResolution(), [over_tcp(reply, reply=True, cut=20), half]) == {}


def test_answers_that_nobody_asked_for() -> None:
    query = asked("www.test")
    reply = answer(query, "www.test. 300 IN A 192.0.2.9")
    resolution = DnsResolution()
    facts = told(resolution, [back(reply), sent(query), back(answer(asked("bank.test"), "bank.test. 1 IN A 6.6.6.6"))])
    assert ids(facts, 1) == ["dns.response.unasked", "dns.response.data", "dns.response.way-direct"]
    differs = one(facts, 3, "dns.response.question-differs")
    assert (differs["asked"], differs["answered"], differs["number"]) == ("www.test A", "bank.test A", 2)
    assert [(e.query_packets, e.response_packets) for e in resolution.finish()] == [([], [1]), ([2], [3])]
    sentences(facts)


def test_an_answer_from_another_server_is_not_the_answer() -> None:
    query = asked("www.test")
    facts = told(DnsResolution(), [sent(query), back(answer(query, "www.test. 1 IN A 6.6.6.6"), server="10.0.0.66")])
    assert "dns.response.unasked" in ids(facts, 2)


def test_unanswered_questions_are_let_go_and_counted() -> None:
    resolution = DnsResolution(keep=False)
    told(resolution, [(seconds * 61, sent(asked("h.test", id=seconds))) for seconds in range(20)])
    assert resolution.counts["unanswered"] == 19
    assert resolution.finish() == []
    assert resolution.counts["unanswered"] == 20


def multicast(message: dns.message.Message, source: str = CLIENT) -> bytes:
    ends = UDP(sport=5353, dport=5353)
    return bytes(LINK / IP(src=source, dst="224.0.0.251") / ends / message.to_wire())


def test_multicast_dns_is_answered_to_all() -> None:
    query = asked("printer.local", id=0, rd=False)
    reply = answer(query, "printer.local. 120 IN A 10.0.0.9", flags="QR AA")
    reply.question = []
    goodbye = answer(query, "printer.local. 0 IN A 10.0.0.9", flags="QR AA")
    goodbye.question = []
    resolution = DnsResolution()
    facts = told(
        resolution,
        [
            (0, multicast(query)),
            (1, multicast(query)),
            (1.1, multicast(reply, "10.0.0.9")),
            (30, multicast(reply, "10.0.0.9")),
            (40, multicast(goodbye, "10.0.0.9")),
        ],
    )
    assert [ids(facts, number) for number in range(1, 6)] == [
        ["dns.mdns.query"],
        ["dns.query.again"],
        ["dns.mdns.response"],
        ["dns.mdns.announcement"],
        ["dns.mdns.goodbye"],
    ]
    assert one(facts, 3, "dns.mdns.response")["number"] == 2
    first = resolution.finish()[0]
    assert (first.family, first.server, first.query_packets, first.response_packets) == (
        "mdns",
        "10.0.0.9",
        [1, 2],
        [3],
    )
    sentences(facts)


def test_llmnr_is_answered_by_whoever_has_the_name() -> None:
    query = asked("printer", rd=False)
    reply = answer(query, "printer. 30 IN A 10.0.0.9", flags="QR")
    question = LINK / IP(src=CLIENT, dst="224.0.0.252") / UDP(sport=50000, dport=5355) / query.to_wire()
    reply_packet = LINK / IP(src="10.0.0.9", dst=CLIENT) / UDP(sport=5355, dport=50000) / reply.to_wire()
    resolution = DnsResolution()
    facts = told(resolution, [bytes(question), bytes(reply_packet)])
    assert ids(facts, 1) == ["dns.llmnr.query"]
    assert one(facts, 2, "dns.response.answer")["number"] == 1
    (exchange,) = resolution.finish()
    assert (exchange.family, exchange.server) == ("llmnr", "10.0.0.9")
    sentences(facts)


def test_ipv6_works_alike() -> None:
    from sniffkit.protocols.columns import PROTOCOLS

    if "ipv6" not in PROTOCOLS:
        pytest.skip("no IPv6 protocol yet")
    query = asked("www.test")
    ends = ("2001:db8::2", "2001:db8::53")
    question = LINK / IPv6(src=ends[0], dst=ends[1]) / UDP(sport=4000, dport=53) / query.to_wire()
    reply = answer(query, "www.test. 1 IN A 192.0.2.9").to_wire()
    back6 = LINK / IPv6(src=ends[1], dst=ends[0]) / UDP(sport=53, dport=4000) / reply
    facts = told(DnsResolution(), [bytes(question), bytes(back6)])
    assert one(facts, 2, "dns.response.answer")["server"] == ends[1]


def test_extension_headers_between_the_addresses_and_udp_are_passed_over() -> None:
    query = asked("www.test")
    reply = answer(query, "www.test. 1 IN A 192.0.2.9").to_wire()
    alert = IPv6ExtHdrHopByHop(options=[RouterAlert()])
    question = LINK / IPv6(src="2001:db8::2", dst="2001:db8::53") / alert / UDP(sport=4000, dport=53) / query.to_wire()
    back6 = LINK / IPv6(src="2001:db8::53", dst="2001:db8::2") / alert / UDP(sport=53, dport=4000) / reply
    facts = told(DnsResolution(), [bytes(question), bytes(back6)])
    assert one(facts, 2, "dns.response.answer")["server"] == "2001:db8::53"


def test_a_damaged_message_is_told_as_far_as_it_can_be_read() -> None:
    query = asked("www.test")
    reply = answer(query, "www.test. 1 IN A 192.0.2.9", "www.test. 1 IN A 192.0.2.10").to_wire()[:-3]
    facts = told(DnsResolution(), [sent(query), sent(reply, RESOLVER, CLIENT)])
    assert one(facts, 2, "dns.response.answer")["data"] == ("192.0.2.9",)
    assert "dns.message-damaged" in ids(facts, 2)
    sentences(facts)


def test_packets_captured_twice_are_passed_over() -> None:
    query = sent(asked("www.test"))
    (batch,) = batches([query, query])
    assert sorted(DnsResolution().feed(Columns(batch), np.array([0, 1]))) == [0]


def test_without_telling_the_exchanges_are_the_same() -> None:
    query = asked("www.test")
    packets = [sent(query), sent(query), back(answer(query, "www.test. 300 IN A 192.0.2.9"))]
    loud, quiet = DnsResolution(), DnsResolution(tell=False)
    assert told(quiet, packets) == {}
    told(loud, packets)
    assert quiet.finish() == loud.finish()
    assert quiet.counts == loud.counts


def test_the_samples_of_the_lab() -> None:
    path = ROOT / "captures" / "dns-lookup.pcap"
    if not path.exists():
        pytest.skip("captures/dns-lookup.pcap is not recorded yet")
    facts = told_of_file(DnsResolution(), str(path))
    assert any(id.startswith("dns.response.") for number in facts for id in ids(facts, number))
    sentences(facts)


FIELDS = (
    "dns.id", "dns.qry.name", "dns.qry.type", "dns.flags.response", "dns.flags.rcode", "dns.flags.truncated",
    "dns.count.answers",
)  # fmt: skip


def fields_of(path: str) -> dict[int, tuple[str, ...]]:
    """Return FIELDS of the first message of each packet, as tshark prints them."""
    found: dict[int, tuple[str, ...]] = {}
    reader = DnsReader()
    with open_capture(path) as source:
        for batch in source:
            messages = reader.feed(Columns(batch))
            for at, number in enumerate(messages.number.tolist()):
                end, start = int(messages.question_end[at]), int(messages.offset[at])
                flags, kind = int(messages.flags[at]), int(messages.type[at])
                name = question_name(messages.octets[start + 12 : start + end - 4].tobytes()) if end > 16 else ""
                cells = (
                    f"0x{messages.id[at]:04x}",
                    "<Root>" if name == "." else name,
                    str(kind) if name else "",
                    str(flags >> 15),
                    str(flags & 15) if flags >> 15 else "",
                    str(flags >> 9 & 1),
                    "" if flags >> 11 & 15 == 5 else str(messages.answers[at]),  # an update counts updates
                )
                found.setdefault(number, cells)
    return found


@NEEDED
def test_the_fields_of_the_corpus_equal_tsharks() -> None:
    """What differs is a name that tshark gives up as too long, in a message built to be damaged."""
    equal, different, unread = 0, [], 0
    for path_name, path in captures("dns"):
        ours = fields_of(path)
        for number, theirs in reference(path_name, FIELDS):
            if not theirs[0]:
                continue
            if number not in ours:
                unread += 1
                continue
            for field, mine, other in zip(FIELDS, ours[number], theirs, strict=True):
                if mine == other:
                    equal += bool(mine)
                else:
                    different.append((path_name, number, field, mine, other))
    print(f"DNS: {equal} values equal, {len(different)} different, {unread} messages elsewhere than we look")
    assert equal > 10_000
    assert len(different) <= equal // 1000, different[:20]


@NEEDED
@TSHARK
def test_pairing_and_times_of_the_corpus_equal_tsharks() -> None:
    """The dozen captures with most DNS: which packet answers which, and how long that took.

    Where a question is sent again more than 5 s after the first time, tshark begins a new one; we do not.
    """
    by_size = []
    for name, path in captures("dns"):
        by_size.append((sum(1 for _, cells in reference(name, ("dns.id",)) if cells[0]), name, path))
    equal, sent_late, different = 0, 0, []
    for _, name, path in sorted(by_size, reverse=True)[: int(os.environ.get("CAPTURES", "12"))]:
        resolution = DnsResolution(tell=False)
        told_of_file(resolution, path)
        ours = {e.response_packets[0]: e for e in resolution.finish() if e.query_packets and e.response_packets}
        for number, question, seconds in tshark_pairs(path):
            mine = ours.get(number)
            if mine is not None and mine.query_packets[0] == question:
                close = abs((mine.elapsed_ns or 0) - seconds * 1e9) < 1000
                equal += close
                if not close:
                    different.append((name, number, question, seconds, mine.elapsed_ns))
            elif mine is not None and question in mine.query_packets:
                sent_late += 1
            else:
                different.append((name, number, question, seconds, None))
    print(f"DNS pairs: {equal} equal, {sent_late} sent again after 5 s, {len(different)} different")
    assert equal > 100
    assert len(different) <= equal // 1000, "\n".join(map(str, different))


def tshark_pairs(path: str) -> list[tuple[int, int, float]]:
    """Return answer, question and time as tshark has them, packets taken as they are (nothing put together)."""
    command = [
        "tshark", "-n", "-r", path, "-o", "ip.defragment:FALSE", "-o", "ipv6.defragment:FALSE",
        "-o", "tcp.desegment_tcp_streams:FALSE",
        "-Y", "dns.response_to && (udp.port == 53 || tcp.port == 53) && !icmp && !icmpv6", "-T", "fields",
        "-e", "frame.number", "-e", "dns.response_to", "-e", "dns.time", "-e", "dns.retransmit_response",
    ]  # fmt: skip
    lines = subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
    cells = [line.split("\t") for line in lines]
    return [(int(number), int(question), float(seconds)) for number, question, seconds, again in cells if not again]

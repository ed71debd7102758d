"""The resolver's parts that need no network: what an answer is worth, what is written, what the machine says."""

from __future__ import annotations

import io
from pathlib import Path
from random import Random

import dns.flags
import dns.message
import dns.name
import dns.rdatatype
import dns.rrset
import pytest

from sniffkit.errors import UsageError
from sniffkit.sources.resolver import named_server, question_of, shown_unicode
from sniffkit.sources.resolver.asking import believed, records_of
from sniffkit.sources.resolver.denial import Denial
from sniffkit.sources.resolver.judging import IN, judge
from sniffkit.sources.resolver.roots import TRUST_ANCHORS, root_servers
from sniffkit.sources.resolver.saved import packets_of, save
from sniffkit.sources.resolver.signatures import check_signature, read_anchors
from sniffkit.sources.resolver.system import in_hosts, name_servers
from sniffkit.sources.resolver.trace import Asked, Stray
from sniffkit.sources.writer import PcapWriter
from tests.captures.reading import UDP, datagram, frames, ones_complement

WWW, ZONE, ROOT = (dns.name.from_text(name) for name in ("www.school.test", "school.test", "."))


def answer(text: str, *, flags: str = "QR AA", rcode: str = "NOERROR") -> dns.message.Message:
    """A message from its sections, as dnspython writes them."""
    return dns.message.from_text(f"id 1\nopcode QUERY\nrcode {rcode}\nflags {flags}\n;QUESTION\n{WWW} IN A\n{text}")


CASES = {
    "an address": (answer(";ANSWER\nwww.school.test. 300 IN A 203.0.113.80"), "answer"),
    "an alias within the zone": (
        answer(";ANSWER\nwww.school.test. 9 IN CNAME web.school.test.\nweb.school.test. 9 IN A 203.0.113.80"),
        "answer",
    ),
    "an alias out of it: what it points to is not believed": (
        answer(";ANSWER\nwww.school.test. 9 IN CNAME web.shop.example.\nweb.shop.example. 9 IN A 198.51.100.66"),
        "alias",
    ),
    "no such name": (
        answer(";AUTHORITY\nschool.test. 900 IN SOA a. b. 1 2 3 4 300", rcode="NXDOMAIN"),
        "nxdomain",
    ),
    "no such type": (answer(";AUTHORITY\nschool.test. 900 IN SOA a. b. 1 2 3 4 300"), "nodata"),
    "hearsay": (answer(";ANSWER\nwww.school.test. 300 IN A 203.0.113.80", flags="QR RA"), "not-authoritative"),
    "nothing": (answer("", flags="QR"), "lame-empty"),
    "back to the top": (answer(";AUTHORITY\n. 9 IN NS a.root-servers.net.", flags="QR"), "lame-upward"),
    "to itself": (answer(";AUTHORITY\nschool.test. 9 IN NS ns1.school.test.", flags="QR"), "lame-upward"),
    "aside": (answer(";AUTHORITY\nother.test. 9 IN NS ns1.other.test.", flags="QR"), "lame-upward"),
    "down": (answer(";AUTHORITY\nwww.school.test. 9 IN NS ns1.www.school.test.", flags="QR"), "referral"),
    "refused": (answer("", flags="QR", rcode="REFUSED"), "refused"),
    "a circle": (
        answer(";ANSWER\nwww.school.test. 9 IN CNAME a.school.test.\na.school.test. 9 IN CNAME www.school.test."),
        "alias-loop",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_an_answer_is_worth(case: str) -> None:
    message, expected = CASES[case]
    judgement = judge(message, ZONE, WWW, dns.rdatatype.A)
    assert (judgement.useless or judgement.outcome) == expected


def test_there_is_none_may_be_kept_for_the_shorter_of_two_times() -> None:
    """RFC 2308 section 5: the SOA's own time to live, or its last number, whichever is less."""
    assert judge(CASES["no such name"][0], ZONE, WWW, dns.rdatatype.A).negative_ttl == 300


def test_glue_is_believed_only_within_the_zone_of_who_sends_it() -> None:
    message = answer(
        ";AUTHORITY\nschool.test. 9 IN NS ns1.school.test.\nschool.test. 9 IN NS ns.shop.example.\n"
        ";ADDITIONAL\nns1.school.test. 9 IN A 203.0.113.1\nns.shop.example. 9 IN A 198.51.100.66",
        flags="QR",
    )
    judgement = judge(message, dns.name.from_text("test"), WWW, dns.rdatatype.A)
    assert [(each.name, each.addresses) for each in judgement.servers] == [
        ("ns1.school.test", ["203.0.113.1"]),
        ("ns.shop.example", []),
    ]
    assert [each.data for each in records_of(judgement.outside)] == ["198.51.100.66"]


def test_the_roots_are_thirteen_with_two_addresses_each() -> None:
    servers = root_servers()
    assert [server.name[0] for server in servers] == list("abcdefghijklm")
    assert {len(server.addresses) for server in servers} == {2}
    assert len({address for server in servers for address in server.addresses}) == 26


HINTS = Path("/usr/share/dns/root.hints")


@pytest.mark.skipif(not HINTS.exists(), reason="dns-root-data is not installed")
def test_the_roots_are_those_that_debian_knows() -> None:
    words = [line.split() for line in HINTS.read_text().splitlines()]
    known = {line[-1] for line in words if len(line) > 2 and line[-2] in ("A", "AAAA")}
    assert {address for server in root_servers() for address in server.addresses} == known
    assert sorted(HINTS.with_suffix(".ds").read_text().split()) == sorted(" ".join(TRUST_ANCHORS).split())


def test_the_anchors_built_in_are_two_digests() -> None:
    pytest.importorskip("cryptography", reason="cryptography is not installed")
    assert sorted(each.key_tag for each in read_anchors(None)) == [20326, 38696]


def test_no_answer_however_damaged_stops_the_resolver() -> None:
    """Octets of captured answers changed at random: each is thrown away or judged, and judged means never trusted."""
    random = Random(42)
    seeds = [
        carried.payload[8:]
        for name in ("dns-signed.pcap", "dns-faults.pcap")
        for frame in frames(name)
        if (carried := datagram(frame)) and carried.protocol == UDP and carried.payload[:2] == b"\0\x35"
    ]
    judged = 0
    for _ in range(1500):
        octets = bytearray(random.choice(seeds))
        question = dns.message.from_wire(bytes(octets), ignore_trailing=True).question[0]
        for _ in range(random.choice((1, 2, 3))):
            octets[random.randrange(2, len(octets))] = random.choice((0, 1, 2, 5, 6, 43, 46, 47, 48, 50, 0xC0, 255))
        query = dns.message.make_query(question.name, question.rdtype, id=int.from_bytes(octets[:2], "big"))
        asked = exchange("udp")
        message = believed(asked, query, bytes(octets), (asked.address, asked.port))
        if isinstance(message, Stray):
            continue
        judged += 1
        judgement = judge(message, ROOT, question.name, question.rdtype)
        records_of(judgement.used)
        for rrset in [*message.answer, *message.authority]:
            assert check_signature(rrset, message.answer, {}).reason
        Denial(ROOT, [each for each in message.authority if each.rdclass == IN]).no_name(question.name)
    assert judged > 100


# names that do not exist, proved


def gaps(*lines: str) -> Denial:
    sets = [dns.rrset.from_text(*line.split(" ", 4)) for line in lines]  # name ttl class type data
    return Denial(ZONE, sets)


def test_a_name_between_two_neighbours_is_not_there() -> None:
    denial = gaps(
        "mail.school.test. 300 IN NSEC www.school.test. A RRSIG NSEC",
        "school.test. 300 IN NSEC home.school.test. NS SOA RRSIG NSEC",
    )
    assert denial.no_name(dns.name.from_text("nobody.school.test"))
    assert not denial.no_name(dns.name.from_text("zebra.school.test"))
    assert not denial.no_name(dns.name.from_text("mail.school.test"))


def test_without_the_gap_where_a_wildcard_would_stand_nothing_is_proved() -> None:
    """`*.school.test` might answer for the name: it must be shown to be absent, too."""
    denial = gaps("mail.school.test. 300 IN NSEC www.school.test. A RRSIG NSEC")
    assert not denial.no_name(dns.name.from_text("nobody.school.test"))


def test_the_last_gap_goes_round_to_the_zones_top() -> None:
    denial = gaps(
        "www.school.test. 300 IN NSEC school.test. A RRSIG NSEC",
        "school.test. 300 IN NSEC home.school.test. NS SOA RRSIG NSEC",
    )
    assert denial.no_name(dns.name.from_text("zebra.school.test"))


def test_a_type_that_the_list_does_not_name_is_not_there() -> None:
    denial = gaps("www.school.test. 300 IN NSEC school.test. A RRSIG NSEC")
    assert denial.no_type(WWW, dns.rdatatype.MX)
    assert not denial.no_type(WWW, dns.rdatatype.A)


def test_a_list_with_a_delegation_and_no_digest_proves_an_unsigned_zone() -> None:
    name = dns.name.from_text("plain.school.test")
    assert gaps("plain.school.test. 300 IN NSEC www.school.test. NS RRSIG NSEC").unsigned_delegation(name)
    assert not gaps("plain.school.test. 300 IN NSEC www.school.test. NS DS RRSIG NSEC").unsigned_delegation(name)
    assert not gaps("plain.school.test. 300 IN NSEC www.school.test. A RRSIG NSEC").unsigned_delegation(name)


# names, servers, files


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        (("www.Example.com.", None), ("www.Example.com", "A")),
        (("192.0.2.1", None), ("1.2.0.192.in-addr.arpa", "PTR")),
        (("192.0.2.1", "A"), ("192.0.2.1", "A")),
        (("例子.测试", "https"), ("xn--fsqu00a.xn--0zwm56d", "HTTPS")),
        ((".", "ns"), (".", "NS")),
        (("example.com", "TYPE65"), ("example.com", "HTTPS")),
    ],
)
def test_a_question_as_the_wire_has_it(given: tuple[str, str | None], asked: tuple[str, str]) -> None:
    assert question_of(*given) == asked


def test_another_script_is_shown_both_ways() -> None:
    assert shown_unicode("xn--fsqu00a.xn--0zwm56d") == "例子.测试"
    assert shown_unicode("www.example.com") == ""


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("192.0.2.1", ("192.0.2.1", 53)),
        ("192.0.2.1:5300", ("192.0.2.1", 5300)),
        ("2001:db8::1", ("2001:db8::1", 53)),
        ("[2001:db8::1]:5300", ("2001:db8::1", 5300)),
    ],
)
def test_a_server_is_named_with_and_without_port(text: str, server: tuple[str, int]) -> None:
    assert named_server(text, "--root") == server


@pytest.mark.parametrize("text", ["", ":53", "192.0.2.1:", "192.0.2.1:0", "192.0.2.1:65536", "192.0.2.1:x"])
def test_a_server_wrongly_named_is_no_server(text: str) -> None:
    with pytest.raises(UsageError) as told:
        named_server(text, "--root")
    assert told.value.id == "resolver.server-wrong"


def test_the_hosts_file_is_read_as_programs_read_it(tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text(
        "127.0.0.1 localhost\n# 192.0.2.9 www\n\n192.0.2.1 Server www.school.test # here\n::1 www.school.test\n"
    )
    assert in_hosts("WWW.school.test", "A", str(hosts)) == [("192.0.2.1", 4)]
    assert in_hosts("www.school.test", "AAAA", str(hosts)) == [("::1", 5)]
    assert in_hosts("www.school.test", "MX", str(hosts)) == []
    assert in_hosts("www", "A", str(tmp_path / "none")) == []


def test_the_first_three_resolvers_count(tmp_path: Path) -> None:
    conf = tmp_path / "resolv.conf"
    conf.write_text(
        "search test\nnameserver 10.0.0.53\nnameserver\nnameserver x\nnameserver fe80::1%eth0\nnameserver 1.1\n"
    )
    assert name_servers(str(conf)) == ["10.0.0.53", "fe80::1%eth0"]


# saved


def exchange(transport: str, answer_octets: int = 100, six: bool = False) -> Asked:
    ends = ("2001:db8::2", "2001:db8::53") if six else ("10.0.0.2", "10.0.0.53")
    return Asked(
        1, 1, "a", "A", "", ends[1], 53, "named", transport, 0, 10**18,  # type: ignore[arg-type]
        elapsed_ns=5_000_000, client=ends[0], client_port=40000, query=bytes(30), response=bytes(answer_octets),
    )  # fmt: skip


@pytest.mark.parametrize("six", [False, True])
@pytest.mark.parametrize(("transport", "packets"), [("udp", 2), ("tcp", 10)])
def test_made_up_packets_are_whole(transport: str, packets: int, six: bool) -> None:
    """A TCP answer of 3,000 octets: handshake 3, question 1, answer 3, close 3; every checksum holds."""
    made = list(packets_of(exchange(transport, 3000 if transport == "tcp" else 100, six)))
    assert len(made) == packets
    for time_ns, octets in made:
        assert time_ns in (10**18, 10**18 + 5_000_000)
        head, protocol = (54, octets[20]) if six else (34, octets[23])
        ends = octets[22:54] if six else octets[26:34]
        assert six or not ones_complement(octets[14:34])
        body = octets[head:]
        assert not ones_complement(ends + len(body).to_bytes(4, "big") + bytes([0, 0, 0, protocol]) + body)


def test_an_unanswered_question_is_saved_alone() -> None:
    file = io.BytesIO()
    writer = PcapWriter(file)
    save([exchange("udp", 0)], writer)
    assert writer.written == 1

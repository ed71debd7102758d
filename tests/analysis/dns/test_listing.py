"""DNS in bulk says what DNS message by message says: on hostile packets, on every capture at hand, in any batches.

``DnsResolution`` goes through messages one after the other and is easy to check by reading; it is the reference here.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from pathlib import Path

import orjson
import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether

from sniffkit.analysis.dns import ends_met as dns_ends_met
from sniffkit.analysis.dns import listing as dns_listing
from sniffkit.analysis.dns import open as dns_open
from sniffkit.analysis.dns import pairs as dns_pairs
from sniffkit.analysis.dns.listing import DnsListing, DnsRun
from sniffkit.analysis.dns.resolution import DnsResolution
from sniffkit.explanations import dns_pieces
from sniffkit.explanations.dns_lines import DnsLines
from sniffkit.explanations.exchange_records import dns_record
from sniffkit.protocols.columns import Columns
from sniffkit.sources import open_capture
from sniffkit.sources.batch import NO_TIME, Batch
from tests.analysis.dns.test_resolution import CLIENT, RESOLVER, ROOT_SERVER, answer, asked, back, sent
from tests.analysis.messages import batches
from tests.analysis.reference import NEEDED, captures

SAMPLES = sorted((Path(__file__).parents[3] / "captures").glob("*.pcap*"))

LINK = Ether(src="02:00:00:00:00:0a", dst="02:00:00:00:00:0b")


def compare(bulk_batches: Iterable[Batch], same_batches: Iterable[Batch]) -> tuple[int, int]:
    """Feed both analysers; return how many exchanges there were and how many of them plain pairs."""
    listing, lines = DnsListing(), DnsLines()
    runs: list[DnsRun] = []
    for batch in bulk_batches:
        runs += listing.feed(Columns(batch))
    runs += listing.finish()
    reference = DnsResolution(tell=False)
    for batch in same_batches:
        reference.feed(Columns(batch))
    expected = reference.finish()
    assert [exchange for run in runs for exchange in run.exchanges()] == expected
    assert listing.counts == reference.counts
    assert listing.unanswered == reference.unanswered
    written = b"".join(piece for run in runs for piece in lines.lines(run))
    assert written == b"".join(orjson.dumps(dns_record(one)) + b"\n" for one in expected)
    return len(expected), sum(len(run.pairs) for run in runs)


NAMES = ("a.test", "A.test", "www.example.test", "www.EXAMPLE.test", ".", "x.y", "long-label-here.and-another.example")
ANSWERS = (
    ("{name} 60 IN A 192.0.2.9",),
    ("{name} 60 IN CNAME cdn.example.", "cdn.example. 5 IN A 192.0.2.1", "cdn.example. 5 IN A 192.0.2.2"),
    ('{name} 7 IN TXT "100% \\"sure\\" \\001"',),
    ("{name} 9 IN MX 10 mail.example.", "mail.example. 60 IN AAAA 2001:db8::1"),
    (),
)


def some_message(chance: random.Random) -> bytes:
    """Return a DNS message as it may come: mostly sane, sometimes cut, bent or of another kind."""
    name = chance.choice(NAMES)
    query = asked(name, chance.choice(("A", "A", "AAAA", "NS")), chance.randrange(3), chance.random() < 0.7)
    if chance.random() < 0.3:
        query.use_edns(0, payload=1232)
    message = query
    if chance.random() < 0.55:
        owner = name if name.endswith(".") else name + "."
        records = tuple(one.format(name=owner) for one in chance.choice(ANSWERS))
        if chance.random() < 0.2:
            message = answer(query, authority=("test. 9 IN NS ns.test.",), flags="QR")
        else:
            rcode = chance.choice(("NOERROR", "NOERROR", "NXDOMAIN", "SERVFAIL", "YXDOMAIN"))
            flags = chance.choice(("QR RD RA", "QR AA", "QR", "QR TC RA"))
            message = answer(query, *records, rcode=rcode, flags=flags)
    octets = bytearray(message.to_wire())
    fate = chance.random()
    if fate < 0.05:
        return bytes(octets[: chance.randrange(len(octets))])
    if fate < 0.15:
        octets[chance.randrange(2, len(octets))] = chance.randrange(256)
    return bytes(octets)


def some_packet(chance: random.Random, apart: bool) -> bytes:
    """Return a DNS packet between few ends, so that many messages meet; ``apart``: no server asks anything."""
    octets = some_message(chance)
    clients, servers = [CLIENT, "10.0.0.3"], [RESOLVER, ROOT_SERVER]
    source, destination = chance.choice(clients), chance.choice(servers)
    if not apart:
        source, destination = chance.sample([*clients, *servers], 2)
    elif len(octets) > 2 and octets[2] & 0x80:
        source, destination = destination, source
    ports = [chance.choice((53, 4000, 4001)), 53]
    if len(octets) > 2 and octets[2] & 0x80:
        ports.reverse()
    carrier = chance.random()
    if carrier < 0.08:
        ports = [5353, 5353]
    elif carrier < 0.12:
        ports[ports.index(53)] = 5355
    elif carrier < 0.2:
        segment = TCP(sport=ports[0], dport=ports[1], flags="PA") / (len(octets).to_bytes(2, "big") + octets)
        return bytes(LINK / IP(src=source, dst=destination) / segment)
    datagram = UDP(sport=ports[0], dport=ports[1]) / octets
    if carrier > 0.9:
        return bytes(LINK / IPv6(src="2001:db8::1", dst="2001:db8::53") / datagram)
    return bytes(LINK / IP(src=source, dst=destination) / datagram)


def some_packets(chance: random.Random, count: int) -> list[bytes | tuple[float, bytes]]:
    """Return packets with a clock that stands, jumps and is set back; answers follow many of the questions."""
    packets: list[bytes | tuple[float, bytes]] = []
    now = 0.0
    backwards, apart = chance.random() < 0.3, chance.random() < 0.6
    before: list[tuple[bytes, bytes]] = []
    while len(packets) < count:
        now += chance.choice((0, 0, 0.001, 0.5, 5, 40) if chance.random() < 0.2 else (0, 1e-8, 0.001))
        if backwards and chance.random() < 0.02:
            now -= chance.choice((0.5, 100))
        if chance.random() < 0.6:
            port, id = chance.randrange(1024, 1100), chance.randrange(1 << 16)
            query = asked(chance.choice(NAMES), "A", id)
            records = (one.format(name="a.test.") for one in chance.choice(ANSWERS))
            flags = chance.choice(("QR RD RA", "QR RD RA", "QR RD TC", "QR", "QR AA"))
            reply = answer(query, *records, flags=flags)
            if chance.random() < 0.1:
                reply = answer(query, authority=("test. 9 IN NS ns.test.",), flags="QR")
            there, again = sent(query, port=port), back(reply, port=port)
            if before and chance.random() < 0.2:  # a question sent again, or both once more
                there, again = chance.choice(before[-10:])
            packets.append((now, there))
            if chance.random() < 0.8:
                packets.append((now + chance.choice((1e-7, 0.0001, 0.0001, 70)), again))
            before.append((there, again))
        else:
            packets.append((now, some_packet(chance, apart)))
    return packets


@pytest.mark.parametrize("seed", range(40))
def test_hostile_packets(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small tables, small batches: what is rare in a real capture happens all the time."""
    chance = random.Random(seed)
    if seed % 2:
        most = chance.choice((4, 16, 40))
        for module in (dns_open, dns_listing):
            monkeypatch.setattr(module, "MOST", most)
        monkeypatch.setattr(dns_listing, "AT_ONCE", most // 2)
        monkeypatch.setattr(dns_ends_met, "SLOTS", chance.choice((1, 8, 1 << 10)))
        monkeypatch.setattr(dns_pieces, "KEPT", 3)
    packets = some_packets(chance, 250)
    size = chance.choice((1, 7, 60, 1000))
    made, again = batches(packets, size), batches(packets, chance.choice((3, 1000)))
    if chance.random() < 0.2:
        for batch in (*made, *again):
            batch.time_ns[:] = NO_TIME
    exchanges, _ = compare(made, again)
    assert exchanges > 20


def test_ordinary_questions_are_plain_pairs() -> None:
    """Else the bulk way would be right and useless."""
    packets: list[bytes | tuple[float, bytes]] = []
    for number in range(200):
        query = asked(f"host{number}.example.test", id=number)
        packets += [sent(query), back(answer(query, f"host{number}.example.test. 60 IN A 192.0.2.9"))]
    assert compare(batches(packets), batches(packets)) == (200, 200)


def test_an_answer_before_its_question_is_no_plain_pair() -> None:
    """A clock was set back between them: how long the answer took is not known, wherever batches end."""
    query = asked("www.test")
    reply = back(answer(query, "www.test. 1 IN A 192.0.2.9"))
    packets: list[bytes | tuple[float, bytes]] = [(5.0, sent(query)), (4.5, reply)]
    assert compare(batches(packets), batches(packets)) == (1, 0)


def test_a_plain_pair_that_is_answered_twice_is_no_longer_plain() -> None:
    """The second answer comes in a later batch, when the pair is kept in columns already."""
    query = asked("www.test")
    reply = back(answer(query, "www.test. 1 IN A 192.0.2.9"))
    packets: Sequence[bytes | tuple[float, bytes]] = [sent(query), reply, sent(asked("b.test", id=9)), reply]
    listing = DnsListing()
    runs = [run for batch in batches(packets, 2) for run in listing.feed(Columns(batch))]
    runs += listing.finish()
    first, _ = (exchange for run in runs for exchange in run.exchanges())
    assert (first.query_packets, first.response_packets) == ([1], [2, 4])
    compare(batches(packets, 2), batches(packets))


@pytest.mark.parametrize("path", SAMPLES, ids=[path.name for path in SAMPLES])
def test_the_samples(path: Path) -> None:
    with open_capture(str(path)) as one, open_capture(str(path)) as other:
        compare(one, other)


@NEEDED
def test_the_corpus() -> None:
    compared = 0
    for _, path in captures("dns"):
        with open_capture(path) as one, open_capture(path) as other:
            compared += compare(one, other)[0]
    print(f"{compared} exchanges of the corpus are the same")
    assert compared > 1000


def test_octets_are_compared_to_the_last() -> None:
    """A word at a time; the last word may overlap the one before."""
    import numpy as np

    octets = np.frombuffer(b"0123456789abc.0123456789abd." + bytes(8), np.uint8)
    one, other = np.zeros(4, np.int64), np.full(4, 14, np.int64)
    lengths = np.array([7, 8, 12, 13])
    assert dns_pairs.same_octets(octets, one, other, lengths).tolist() == [False, True, True, False]

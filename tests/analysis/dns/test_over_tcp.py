"""DNS over TCP: messages with their length before them, however the stream is cut into segments.

The client is 10.0.0.2 on port 50000, its resolver 10.0.0.53. A segment is written (from, offset in the direction's
stream, octets); both directions begin with a SYN.
"""

from __future__ import annotations

import random
from itertools import pairwise

import dns.message
import pytest
from scapy.layers.inet import IP, TCP
from scapy.packet import Raw

from sniffkit.analysis.dns.exchange import DnsExchange
from sniffkit.analysis.dns.resolution import DnsResolution
from tests.analysis.dns.test_listing import compare
from tests.analysis.dns.test_resolution import CLIENT, LINK, RESOLVER, answer, asked, back, sent
from tests.analysis.messages import batches, ids, one, told

FIRST = {"client": 1000, "server": 0xFFFFFFF0}
"""Sequence numbers of the SYNs; the server's soon go round the circle."""


def segment(sender: str, offset: int, octets: bytes = b"", flags: str = "A") -> bytes:
    other = "server" if sender == "client" else "client"
    source, destination = (CLIENT, RESOLVER) if sender == "client" else (RESOLVER, CLIENT)
    ports = (50000, 53) if sender == "client" else (53, 50000)
    seq = (FIRST[sender] + (0 if "S" in flags else 1 + offset)) % (1 << 32)
    header = TCP(sport=ports[0], dport=ports[1], seq=seq, ack=(FIRST[other] + 1) % (1 << 32), flags=flags)
    return bytes(LINK / IP(src=source, dst=destination) / header / Raw(octets))


OPENING = [segment("client", 0, flags="S"), segment("server", 0, flags="SA"), segment("client", 0)]


def prefixed(*messages: dns.message.Message) -> bytes:
    return b"".join(len(octets).to_bytes(2, "big") + octets for octets in (one.to_wire() for one in messages))


def cut(sender: str, stream: bytes, *places: int) -> list[bytes]:
    """Cut a direction's stream into segments at places."""
    ends = [0, *places, len(stream)]
    return [segment(sender, begin, stream[begin:end]) for begin, end in pairwise(ends)]


def exchanges(packets: list[bytes], size: int | None = None) -> list[DnsExchange]:
    resolution = DnsResolution()
    told(resolution, packets, size)
    compare(batches(packets, size), batches(packets))
    return resolution.finish()


BIG = [f'big.test. 60 IN TXT "{number} {"x" * 200}"' for number in range(20)]


@pytest.mark.parametrize("size", [None, 1, 2])
@pytest.mark.parametrize("places", [(), (1,), (2,), (7, 9), (100, 1500, 3000)])
def test_a_message_over_several_segments_is_told_where_it_is_whole(places: tuple[int, ...], size: int | None) -> None:
    """A length prefix may be cut as well, and segments of one message lie in several batches."""
    query = asked("big.test", "TXT")
    reply = cut("server", prefixed(answer(query, *BIG)), *places)
    (exchange,) = exchanges([*OPENING, *cut("client", prefixed(query)), *reply], size)
    assert (exchange.transport, exchange.query_packets) == ("tcp", [4])
    assert exchange.response_packets == [4 + len(places) + 1]
    assert exchange.message is not None
    assert len(exchange.message.answers) == 20
    assert exchange.message.problems == []


def test_several_messages_in_one_segment_are_all_told() -> None:
    """Two questions go at once; the answers come in the other order, and the first ends in the second segment."""
    first, second = asked("a.test", id=1), asked("b.test", id=2)
    replies = prefixed(answer(second, "b.test. 1 IN A 192.0.2.2"), answer(first, "a.test. 1 IN A 192.0.2.1"))
    packets = [*OPENING, segment("client", 0, prefixed(first, second)), *cut("server", replies, 10)]
    found = [(one.name, one.query_packets, one.response_packets, one.kind) for one in exchanges(packets)]
    assert found == [("a.test", [4], [6], "answer"), ("b.test", [4], [6], "answer")]


def test_segments_out_of_order_and_sent_again_change_nothing() -> None:
    query = asked("big.test", "TXT")
    parts = cut("server", prefixed(answer(query, *BIG)), 1000, 2000)
    (exchange,) = exchanges([*OPENING, *cut("client", prefixed(query)), parts[0], parts[2], parts[0], parts[1]])
    assert (exchange.response_packets, exchange.query_packets) == ([8], [4])  # whole when the gap is filled
    assert exchange.message is not None
    assert len(exchange.message.answers) == 20


def test_an_answer_cut_short_is_asked_again_over_tcp() -> None:
    query = asked("big.test", "TXT")
    short = answer(query, flags="QR TC RD RA")
    again = cut("client", prefixed(query), 20)
    packets = [sent(query), back(short), *OPENING, *again, *cut("server", prefixed(answer(query, *BIG)), 1400, 2800)]
    resolution = DnsResolution()
    facts = told(resolution, packets)
    assert one(facts, 7, "dns.query.after-truncation")["number"] == 2
    assert "dns.response.answer" in ids(facts, 10)
    over_udp, over_tcp = resolution.finish()
    assert (over_udp.kind, over_tcp.kind, over_tcp.truncated) == ("truncated", "answer", 2)


@pytest.mark.parametrize("seed", range(20))
def test_any_cut_in_any_batches(seed: int) -> None:
    """Many questions on one connection, cut anywhere, some segments late or sent twice; both analysers agree."""
    chance = random.Random(seed)
    queries = [asked(f"host{number}.test", id=number) for number in range(30)]
    replies = [answer(query, f"{query.question[0].name} 60 IN A 192.0.2.9") for query in queries]
    chance.shuffle(replies)
    streams = [("client", prefixed(*queries)), ("server", prefixed(*replies))]
    packets = list(OPENING)
    for sender, stream in streams:
        parts = cut(sender, stream, *sorted(chance.sample(range(1, len(stream)), 25)))
        for at in range(len(parts) - 1):
            if chance.random() < 0.2:
                parts[at], parts[at + 1] = parts[at + 1], parts[at]
        packets += [part for part in parts for _ in range(2 if chance.random() < 0.1 else 1)]
    found = exchanges(packets, chance.choice((1, 3, 10, None)))
    assert sorted(one.name for one in found) == sorted(f"host{number}.test" for number in range(30))
    assert all(one.kind == "answer" and len(one.packets) == 2 for one in found)

"""Makes the capture for the DNS benchmark: half of its packets are questions and answers, the same every time.

    python -m benchmarks.dns_capture [PACKETS]      writes build/bench/ (outside git) and prints the file's name

Some 500 clients ask four resolvers for 20,000 names, popular ones more often: A, AAAA and HTTPS, aliases, names and
types that do not exist, EDNS in most; times to live that count down and addresses given out in turn, so that hardly
two answers are alike; one question in a hundred is sent again, one in two hundred never answered. The other half is
the TCP of ``capture``.
"""

from __future__ import annotations

import heapq
import random
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.capture import CLIENTS, FOLDER, GATEWAY, Event, checksum, ip_packet, traffic, woven, written

EDITION = 1
"""Part of the file's name: a new number makes everybody generate anew."""

EVERY_US = 156
"""A question begins this often: about as many packets as the TCP that goes on beside it."""

NAMES = 20_000

A, CNAME, SOA, AAAA, OPT, HTTPS = 1, 5, 6, 28, 41, 65

NAME_ASKED = b"\xc0\x0c"
"""A pointer to the question's name (RFC 1035 section 4.1.4)."""


def name(number: int) -> bytes:
    """Return the name with this number as it stands in a message."""
    zone = ("example", "test-zone", "a-rather-long-zone-name")[number % 3]
    labels = (f"www{number % 7}", f"host{number}", zone, "com")
    return b"".join(bytes([len(label)]) + label.encode() for label in labels[number % 2 :]) + b"\0"


def record(owner: bytes, kind: int, seconds: int, data: bytes) -> bytes:
    """Return a resource record of class IN (RFC 1035 section 4.1.3)."""
    return owner + struct.pack("!HHIH", kind, 1, seconds, len(data)) + data


def datagram(client: int, resolver: int, port: int, message: bytes, answer: bool) -> bytes:
    """Return a frame with a DNS message over UDP (RFC 768) between a client and a resolver."""
    mac = b"\x02\x00\x01\x00" + client.to_bytes(2)
    asker, asked = b"\x0a\x00" + (client + 2).to_bytes(2), bytes([10, 1, 0, 1 + resolver])
    source, destination, ports = (asked, asker, (53, port)) if answer else (asker, asked, (port, 53))
    length = 8 + len(message)
    header = struct.pack("!HHH", *ports, length)
    total = int.from_bytes(source + destination + header + message + b"\0" * (length % 2)) + 17 + length
    body = header + struct.pack("!H", checksum(total) or 0xFFFF) + message
    packet = ip_packet(source, destination, 17, total, body)
    return (mac + GATEWAY if answer else GATEWAY + mac) + b"\x08\x00" + packet


def lookup(number: int, begin: int) -> Iterator[Event]:
    """One question from its first sending to its answer."""
    chance = random.Random(number)
    client, resolver, port = number % CLIENTS, chance.randrange(4), 1024 + chance.randrange(64_000)
    asked, host = chance.getrandbits(16), int(NAMES * chance.random() ** 3)
    kind = chance.choices((A, AAAA, HTTPS), (60, 30, 10))[0]
    edns = chance.random() < 0.7
    more = record(b"\0", OPT, 0, b"") if edns else b""
    question = name(host) + struct.pack("!HH", kind, 1)
    query = struct.pack("!HHHHHH", asked, 0x0100, 1, 0, 0, edns) + question + more
    yield begin, datagram(client, resolver, port, query, False)
    fate = chance.random()
    now = begin + int(chance.expovariate(1 / 15_000)) + 200
    if fate < 0.01:
        yield begin + 5_000_000, datagram(client, resolver, port, query, False)
        now += 5_000_000
    elif fate < 0.015:
        return
    answers, authority, rcode = list[bytes](), b"", 0
    if host % 17 == 0 or kind == HTTPS:
        rcode = 0 if host % 17 else 3
        server = b"\x03ns1\x07example\x03com\0\x05admin\x07example\x03com\0"
        authority = record(b"\x03com\0", SOA, chance.randrange(900), server + struct.pack("!IIIII", 1, 2, 3, 4, 900))
    else:
        owner = NAME_ASKED
        if host % 4 == 0:
            answers.append(record(owner, CNAME, chance.randrange(300), b"\x03cdn" + name(host % 50)))
            owner = struct.pack("!H", 0xC000 | 12 + len(question) + 12)
        some = (1, 1, 1, 2, 4)[host % 5]
        turn = chance.randrange(some)  # several addresses are given out in turn
        for place in ((turn + number) % some for number in range(some)):
            octets = bytes([198, 51, host % 251, place + host % 200])
            data = octets if kind == A else b"\x20\x01\x0d\xb8" + bytes(8) + octets
            answers.append(record(owner, kind, chance.randrange(300), data))
    header = struct.pack("!HHHHHH", asked, 0x8180 | rcode, 1, len(answers), bool(authority), edns)
    yield now, datagram(client, resolver, port, header + question + b"".join(answers) + authority + more, True)


def questions() -> Iterator[Event]:
    """All questions without end, woven together by time."""
    return woven(lookup, EVERY_US)


def events() -> Iterator[Event]:
    """All packets without end: questions and answers among the TCP of ``capture``, by time."""
    return heapq.merge(traffic(), questions(), key=lambda event: event[0])


def make(packets: int) -> Path:
    """Return a pcap file of so many packets, made unless it is there already."""
    return written(FOLDER / f"{packets}-packets-half-dns-edition-{EDITION}.pcap", packets, events())


if __name__ == "__main__":
    print(make(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000))

"""Makes the capture that the benchmark reads: a million packets of many connections, the same every time.

    python -m benchmarks.capture [PACKETS]      writes build/bench/ (outside git) and prints the file's name

About 13,000 TCP connections to the million, some 200 open at once: handshakes with all common options,
requests and answers, segments lost before and after the capture point with duplicate acknowledgements and
retransmission, closes by FIN in four and in three segments and by RST, SYNs that nobody answers, DNS before
some connections, ARP now and then. Checksums are right, so nothing a reader does is spared.
"""

from __future__ import annotations

import heapq
import random
import struct
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

EDITION = 1
"""Part of the file's name: a new number makes everybody generate anew."""

FOLDER = Path(__file__).parent.parent / "build" / "bench"

START_US = 1_700_000_000_000_000  # 2023-11-14 22:13:20 UTC
EVERY_US = 5_000  # a new conversation begins this often
CLIENTS = 500

FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10

SEGMENT = 1448  # MSS 1460 less the time stamps option

TEXT = bytes(random.Random(1).choices(b"abcdefghijklmnopqrstuvwxyz ", k=1 << 16))
"""What the payloads are cut from: nothing that a dissector takes for a protocol of its own."""

SUMS = [0]
"""Sum of the 16-bit words of TEXT before each word, so that a payload's checksum costs one subtraction."""
for (word,) in struct.iter_unpack("!H", TEXT):
    SUMS.append(SUMS[-1] + word)

GATEWAY = bytes.fromhex("020000000001")

Event = tuple[int, bytes]
"""Microseconds since the epoch and a frame."""


def checksum(total: int) -> int:
    """Return the Internet checksum (RFC 1071) of octets whose sum of 16-bit words is ``total``."""
    return 0xFFFF - (total % 0xFFFF or 0xFFFF)


def ip_packet(source: bytes, destination: bytes, protocol: int, identification: int, body: bytes) -> bytes:
    """Return an IPv4 datagram (RFC 791 section 3.1) that may not be fragmented."""
    length = 20 + len(body)
    header = struct.pack("!BBHHHBBH", 0x45, 0, length, identification & 0xFFFF, 0x4000, 64, protocol, 0)
    total = int.from_bytes(header + source + destination)
    return header[:10] + struct.pack("!H", checksum(total)) + source + destination + body


@dataclass(slots=True)
class End:
    """One end of a connection: its addresses and what it will write next."""

    mac: bytes
    address: bytes
    port: int
    next: int  # sequence number of the next octet it sends
    identification: int
    clock: int  # its time stamp clock runs in milliseconds from this number
    heard: int = 0  # the other end's latest time stamp


class Connection:
    """A TCP connection seen from a point between its ends; ``events`` tells it from SYN to close."""

    def __init__(self, number: int, begin: int) -> None:
        self.chance = chance = random.Random(number)
        client = number % CLIENTS
        self.client = End(
            mac=b"\x02\x00\x01\x00" + client.to_bytes(2),
            address=b"\x0a\x00" + (client + 2).to_bytes(2),
            port=32768 + (number // CLIENTS) % 28000,
            next=chance.getrandbits(32),
            identification=chance.getrandbits(16),
            clock=chance.getrandbits(31),
        )
        self.server = End(
            mac=GATEWAY,
            address=bytes([198, 51, 100, 1 + chance.randrange(250)]),
            port=chance.choice((443, 443, 443, 8443, 5001, 9000)),
            next=chance.getrandbits(32),
            identification=chance.getrandbits(16),
            clock=chance.getrandbits(31),
        )
        self.now = begin
        self.round_trip = chance.randrange(2_000, 60_000)

    def segment(
        self,
        sender: End,
        flags: int,
        length: int = 0,
        *,
        seq: int | None = None,
        ack: int | None = None,
        sacked: tuple[int, int] | None = None,
    ) -> Event:
        """Return a segment at this moment; without ``seq`` it is the sender's next and moves it on."""
        receiver = self.server if sender is self.client else self.client
        stamp = (sender.clock + self.now // 1000) & 0xFFFFFFFF
        if flags & SYN:
            options = struct.pack("!BBHBBBBIIBBBB", 2, 4, 1460, 4, 2, 8, 10, stamp, sender.heard, 1, 3, 3, 7)
        else:
            options = struct.pack("!BBBBII", 1, 1, 8, 10, stamp, sender.heard)
        if sacked:
            options += struct.pack("!BBBBII", 1, 1, 5, 10, sacked[0] & 0xFFFFFFFF, sacked[1] & 0xFFFFFFFF)
        if seq is None:
            seq = sender.next
            sender.next += length + (flags & SYN > 0) + (flags & FIN > 0)
        if ack is None:
            ack = receiver.next if flags & ACK else 0
        seq &= 0xFFFFFFFF
        at = seq % 30_000 * 2
        offset_and_flags = (5 + len(options) // 4) << 12 | flags
        window = 64240 if flags & SYN else 501
        header = (
            struct.pack("!HHIIHHHH", sender.port, receiver.port, seq, ack & 0xFFFFFFFF, offset_and_flags, window, 0, 0)
            + options
        )
        payload = TEXT[at : at + length]
        total = (
            int.from_bytes(sender.address + receiver.address + header)
            + 6
            + len(header)
            + length
            + SUMS[(at + length) // 2]
            - SUMS[at // 2]
            + (payload[-1] << 8 if length % 2 else 0)
        )
        header = header[:16] + struct.pack("!H", checksum(total)) + header[18:]
        receiver.heard = stamp
        sender.identification += 1
        packet = ip_packet(sender.address, receiver.address, 6, sender.identification, header + payload)
        return self.now, receiver.mac + sender.mac + b"\x08\x00" + packet

    def wait(self, part: float = 1.0) -> None:
        """Let a part of the round trip pass, give or take a little."""
        self.now += 20 + int(self.round_trip * part * (0.5 + self.chance.random()))

    def events(self) -> Iterator[Event]:
        """Tell the connection in order of time."""
        fate = self.chance.random()
        if fate < 0.02:
            yield from self.unanswered()
            return
        if fate < 0.3:
            yield from self.name_lookup()
        yield self.segment(self.client, SYN)
        self.wait()
        if fate > 0.98:  # nobody listens there
            yield self.segment(self.server, RST | ACK)
            return
        yield self.segment(self.server, SYN | ACK)
        self.wait(0.05)
        yield self.segment(self.client, ACK)
        for _ in range(self.chance.randrange(1, 27)):
            self.wait(0.1)
            yield from self.exchange()
        yield from self.close()

    def unanswered(self) -> Iterator[Event]:
        """A SYN that nobody answers, again after 1, 3 and 7 seconds."""
        first = self.client.next
        for pause in (1_000_000, 2_000_000, 4_000_000, 0):
            yield self.segment(self.client, SYN, seq=first)
            self.now += pause

    def name_lookup(self) -> Iterator[Event]:
        """The server's name asked over DNS, and the answer."""
        host = self.server.address[3]
        question = b"\x04h%03d\x07example\x03com\x00\x00\x01\x00\x01" % host
        asked = self.chance.getrandbits(16)
        port = 40000 + self.chance.randrange(20000)
        query = struct.pack("!HHHHHH", asked, 0x0100, 1, 0, 0, 0) + question
        answer = struct.pack("!HHHHHH", asked, 0x8180, 1, 1, 0, 0) + question
        answer += struct.pack("!HHHIH", 0xC00C, 1, 1, 300, 4) + self.server.address
        resolver = b"\x0a\x00\x00\x01"
        client = self.client
        yield self.datagram(client.mac, GATEWAY, client.address, resolver, port, 53, query)
        self.wait()
        yield self.datagram(GATEWAY, client.mac, resolver, client.address, 53, port, answer)
        self.wait(0.05)

    def datagram(
        self,
        from_mac: bytes,
        to_mac: bytes,
        source: bytes,
        destination: bytes,
        source_port: int,
        destination_port: int,
        message: bytes,
    ) -> Event:
        """Return a UDP datagram (RFC 768) at this moment."""
        length = 8 + len(message)
        header = struct.pack("!HHH", source_port, destination_port, length)
        even = message + b"\x00" * (length % 2)
        total = int.from_bytes(source + destination + header + even) + 17 + length
        body = header + struct.pack("!H", checksum(total) or 0xFFFF) + message
        packet = ip_packet(source, destination, 17, self.chance.getrandbits(16), body)
        return self.now, to_mac + from_mac + b"\x08\x00" + packet

    def exchange(self) -> Iterator[Event]:
        """A request, its acknowledgement, and an answer of some segments; now and then one gets lost."""
        chance, client, server = self.chance, self.client, self.server
        yield self.segment(client, PSH | ACK, chance.randrange(40, 700))
        self.wait()
        if chance.random() < 0.3:
            yield self.segment(server, ACK)
            self.wait(0.1)
        full = chance.randrange(1, 9) if chance.random() < 0.19 else 0
        sizes = [SEGMENT] * full + [chance.randrange(1, 1100)]
        lost = chance.randrange(len(sizes) - 3) if len(sizes) > 4 and chance.random() < 0.3 else None
        unseen = chance.random() < 0.5  # lost before the capture point
        missing, sacked = 0, 0
        for place, size in enumerate(sizes):
            self.now += chance.randrange(10, 200)
            seq = server.next
            data = self.segment(server, PSH | ACK if size < SEGMENT else ACK, size)
            if place == lost:
                missing, sacked = seq, server.next
                if not unseen:
                    yield data
                continue
            yield data
            self.now += chance.randrange(5, 60)
            if lost is not None and place > lost:
                yield self.segment(client, ACK, ack=missing, sacked=(sacked, server.next))
            elif place % 2 or chance.random() < 0.7:
                yield self.segment(client, ACK)
        if lost is not None:
            self.wait(0.5)
            yield self.segment(server, ACK, SEGMENT, seq=missing)
            self.wait(0.05)
            yield self.segment(client, ACK)

    def close(self) -> Iterator[Event]:
        """The end of the connection: four segments, three, or a reset."""
        self.wait(0.2)
        first, second = self.client, self.server
        if self.chance.random() < 0.4:
            first, second = second, first
        manner = self.chance.random()
        if manner < 0.1:
            yield self.segment(first, RST | ACK)
            return
        yield self.segment(first, FIN | ACK)
        self.wait(0.5)
        if manner < 0.7:
            yield self.segment(second, ACK)
            self.wait(0.1)
        yield self.segment(second, FIN | ACK)
        self.wait(0.5)
        yield self.segment(first, ACK)


def neighbour(number: int, begin: int) -> Iterator[Event]:
    """An ARP question for the gateway and its answer (RFC 826)."""
    client = number % CLIENTS
    mac = b"\x02\x00\x01\x00" + client.to_bytes(2)
    address, gateway = b"\x0a\x00" + (client + 2).to_bytes(2), b"\x0a\x00\x00\x01"
    kind = struct.pack("!HHBB", 1, 0x0800, 6, 4)
    ask = kind + b"\x00\x01" + mac + address + b"\x00" * 6 + gateway
    tell = kind + b"\x00\x02" + GATEWAY + gateway + mac + address
    yield begin, b"\xff" * 6 + mac + b"\x08\x06" + ask
    yield begin + 300, mac + GATEWAY + b"\x08\x06" + tell + b"\x00" * 18


def woven(story: Callable[[int, int], Iterator[Event]], every_us: int) -> Iterator[Event]:
    """Weave stories without end together by time; ``story``: takes the number of one and when it begins."""
    waiting: list[tuple[int, int, bytes, Iterator[Event]]] = []
    number, begin = 0, START_US
    while True:
        while not waiting or waiting[0][0] >= begin:
            events = story(number, begin)
            now, frame = next(events)
            heapq.heappush(waiting, (now, number, frame, events))
            number += 1
            begin += every_us
        now, told, frame, events = waiting[0]
        yield now, frame
        if (following := next(events, None)) is None:
            heapq.heappop(waiting)
        else:
            heapq.heapreplace(waiting, (following[0], told, following[1], events))


def traffic() -> Iterator[Event]:
    """All conversations without end, woven together by time."""
    return woven(
        lambda number, begin: neighbour(number, begin) if number % 10 == 9 else Connection(number, begin).events(),
        EVERY_US,
    )


def written(path: Path, packets: int, events: Iterator[Event]) -> Path:
    """Write the first of some events as a pcap file, unless it is there already; return its path."""
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".part")
    with unfinished.open("wb", buffering=1 << 22) as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, 1))
        for _, (now, frame) in zip(range(packets), events, strict=False):
            file.write(struct.pack("<IIII", now // 1_000_000, now % 1_000_000, len(frame), len(frame)))
            file.write(frame)
    unfinished.replace(path)  # only a whole file ever has the name
    return path


def make(packets: int) -> Path:
    """Return a pcap file of so many packets, made unless it is there already."""
    return written(FOLDER / f"{packets}-packets-edition-{EDITION}.pcap", packets, traffic())


if __name__ == "__main__":
    print(make(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000))

"""Sends packets at a steady rate into an interface: what the live benchmark captures.

    python -m benchmarks.sender INTERFACE udp|tcp RATE PACKETS

udp: datagrams of 64 octets. tcp: short connections, ten segments each (handshake, request, answer, close), always new
ones, some hundred open at once. Checksums are right. Prints how many were sent and how long it took.
"""

from __future__ import annotations

import ctypes
import socket
import struct
import sys
import time

import numpy as np
from numpy.typing import NDArray

from benchmarks.capture import ACK, FIN, PSH, SYN, checksum, ip_packet

AT_ONCE = 64
"""Frames handed to the kernel in one call (sendmmsg)."""

ROOM = 256
"""Octets kept for each frame."""

CONNECTIONS = 6000
OPEN_AT_ONCE = 300
SOL_PACKET, QDISC_BYPASS = 263, 20
ETHERNET = bytes.fromhex("020000000002 020000000001 0800")
CLIENT, SERVER = bytes([10, 1, 0, 0]), bytes([10, 2, 0, 1])
FRAME_UDP = 64


def udp_frames() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return frames (n, ROOM) and the place of the two octets of the client's address that change, (n,)."""
    frames = np.zeros((4096, ROOM), np.uint8)
    for row in range(len(frames)):
        message = bytes(FRAME_UDP - 42)
        header = struct.pack("!HHH", 20000 + row % 512, 9000, 8 + len(message))
        total = int.from_bytes(CLIENT + SERVER + header + message) + 17 + 8 + len(message)
        body = header + struct.pack("!H", checksum(total)) + message
        put(frames, row, ETHERNET + ip_packet(CLIENT, SERVER, 17, row, body))
    return frames, np.full(len(frames), 28)


def tcp_frames() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the same for connections that overlap."""
    told: list[list[bytes]] = [connection(number) for number in range(CONNECTIONS)]
    order: list[bytes] = []
    for first in range(0, CONNECTIONS, OPEN_AT_ONCE):
        group = told[first : first + OPEN_AT_ONCE]
        for step in range(len(group[0])):
            order += [each[step] for each in group]
    frames = np.zeros((len(order), ROOM), np.uint8)
    for row, frame in enumerate(order):
        put(frames, row, frame)
    from_client = (frames[:, 26:30] == np.frombuffer(CLIENT, np.uint8)).all(axis=1)
    return frames, np.where(from_client, 28, 32)


def connection(number: int) -> list[bytes]:
    """Return the ten segments of a connection."""
    port = 10000 + number
    mine, yours = number * 7919 & 0xFFFFFFFF, number * 104729 & 0xFFFFFFFF
    found: list[bytes] = []

    def segment(client: bool, flags: int, seq: int, ack: int, data: bytes = b"") -> None:
        source, destination = (CLIENT, SERVER) if client else (SERVER, CLIENT)
        ports = (port, 80) if client else (80, port)
        options = struct.pack("!BBHBBBB", 2, 4, 1460, 1, 3, 3, 7) if flags & SYN else b""
        words = (5 + len(options) // 4) << 12 | flags
        header = struct.pack("!HHIIHHHH", *ports, seq & 0xFFFFFFFF, ack & 0xFFFFFFFF, words, 64240, 0, 0) + options
        even = data + bytes(len(data) % 2)
        total = int.from_bytes(source + destination + header + even) + 6 + len(header) + len(data)
        header = header[:16] + struct.pack("!H", checksum(total)) + header[18:]
        found.append(ETHERNET + ip_packet(source, destination, 6, number * 10 + len(found), header + data))

    ask, answer = b"GET / HTTP/1.0\r\n\r\n", b"HTTP/1.0 200 OK\r\n\r\nhello\n\n"
    segment(True, SYN, mine, 0)
    segment(False, SYN | ACK, yours, mine + 1)
    segment(True, ACK, mine + 1, yours + 1)
    segment(True, PSH | ACK, mine + 1, yours + 1, ask)
    segment(False, PSH | ACK, yours + 1, mine + 1 + len(ask), answer)
    segment(True, ACK, mine + 1 + len(ask), yours + 1 + len(answer))
    segment(True, FIN | ACK, mine + 1 + len(ask), yours + 1 + len(answer))
    segment(False, ACK, yours + 1 + len(answer), mine + 2 + len(ask))
    segment(False, FIN | ACK, yours + 1 + len(answer), mine + 2 + len(ask))
    segment(True, ACK, mine + 2 + len(ask), yours + 2 + len(answer))
    return found


def put(frames: NDArray[np.uint8], row: int, frame: bytes) -> None:
    """Write a frame into its row, its length into the last two octets of it."""
    frames[row, : len(frame)] = np.frombuffer(frame, np.uint8)
    frames[row, -2:] = np.frombuffer(len(frame).to_bytes(2, "big"), np.uint8)


def renumber(frames: NDArray[np.uint8], places: NDArray[np.int64], number: int) -> None:
    """Give all clients another address, so that every pass has new conversations, and mend the checksums (RFC 1624)."""
    rows = np.arange(len(frames))
    old = word(frames, rows, places)
    protocol = frames[:, 23]
    for at in (np.full(len(frames), 24), np.where(protocol == 6, 50, 40)):
        total = (0xFFFF - word(frames, rows, at)) + (0xFFFF - old) + number
        total = (total & 0xFFFF) + (total >> 16)
        total = (total & 0xFFFF) + (total >> 16)
        put_word(frames, rows, at, 0xFFFF - total)
    put_word(frames, rows, places, np.full(len(frames), number))


def word(frames: NDArray[np.uint8], rows: NDArray[np.int64], at: NDArray[np.int64]) -> NDArray[np.int64]:
    """Read 16 bits of each frame."""
    return frames[rows, at].astype(np.int64) << 8 | frames[rows, at + 1]


def put_word(
    frames: NDArray[np.uint8], rows: NDArray[np.int64], at: NDArray[np.int64], value: NDArray[np.int64]
) -> None:
    """Write 16 bits of each frame."""
    frames[rows, at] = value >> 8
    frames[rows, at + 1] = value & 255


def messages(frames: NDArray[np.uint8]) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Return the kernel's view of the frames: struct mmsghdr (n, 8 words) and struct iovec (n, 2 words)."""
    vectors = np.zeros((len(frames), 2), np.uint64)
    vectors[:, 0] = frames.ctypes.data + np.arange(len(frames)) * ROOM
    vectors[:, 1] = frames[:, -2].astype(np.uint64) << np.uint64(8) | frames[:, -1].astype(np.uint64)
    headers = np.zeros((len(frames), 8), np.uint64)
    headers[:, 2] = vectors.ctypes.data + np.arange(len(frames)) * 16
    headers[:, 3] = 1
    return headers, vectors


def main(interface: str, kind: str, rate: int, packets: int) -> None:
    """Send."""
    frames, places = udp_frames() if kind == "udp" else tcp_frames()
    headers, _vectors = messages(frames)
    send = ctypes.CDLL(None, use_errno=True).sendmmsg
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as handle:
        handle.setsockopt(SOL_PACKET, QDISC_BYPASS, 1)
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8 << 20)
        handle.bind((interface, 0))
        descriptor, at = handle.fileno(), headers.ctypes.data
        sent = place = passes = 0
        begin = time.perf_counter()
        while sent < packets:
            if place == 0 and passes:
                renumber(frames, places, passes & 0xFFFF)
            count = min(AT_ONCE, packets - sent, len(frames) - place)
            done = send(descriptor, ctypes.c_void_p(at + place * 64), count, 0)
            if done > 0:
                sent += done
                place += done
                if place == len(frames):
                    place, passes = 0, passes + 1
            early = sent / rate - (time.perf_counter() - begin)
            if early > 0.0003:
                time.sleep(early)
    print(sent, round(time.perf_counter() - begin, 3))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))

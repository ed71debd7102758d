"""DNS servers that misbehave, each in one way, so that a resolver's guards can be seen at work.

They answer every question for an address with the same one, the faulty part apart. Small on purpose: a real server
refuses to do these things.
"""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import threading
import time
from typing import TYPE_CHECKING

from sniffkit.lab.dns_zones import ELSEWHERE, ODD, ROOT, SILENT, WEB
from sniffkit.lab.questions import DNS_PORT

if TYPE_CHECKING:
    from sniffkit.lab.host import Host

RESPONSE, AUTHORITATIVE, TRUNCATED = 0x8000, 0x0400, 0x0200
FORMAT_ERROR, SERVER_FAILURE = 1, 2
A, NS = 1, 2
BEFORE = 0.02
"""Seconds by which a forged answer comes before the true one."""


def record(name: bytes, kind: int, data: bytes, lifetime: int = 300) -> bytes:
    """One resource record (RFC 1035 section 4.1.3)."""
    return name + struct.pack("!HHIH", kind, 1, lifetime, len(data)) + data


def wire_name(name: str) -> bytes:
    """A name as labels, without compression."""
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".") if label) + b"\0"


def question_end(message: bytes) -> int:
    """Return where the question section ends."""
    at = 12
    while message[at]:
        at += 1 + message[at]
    return at + 5


def reply(
    question: bytes,
    flags: int = AUTHORITATIVE,
    *,
    answers: tuple[bytes, ...] = (),
    authority: tuple[bytes, ...] = (),
    additional: tuple[bytes, ...] = (),
) -> bytes:
    """Answer a question with these records."""
    counts = struct.pack("!HHHH", 1, len(answers), len(authority), len(additional))
    body = b"".join((*answers, *authority, *additional))
    return question[:2] + struct.pack("!H", RESPONSE | flags) + counts + question[12 : question_end(question)] + body


def address_of(question: bytes, address: str) -> bytes:
    """The record that the question asks for."""
    return record(question[12 : question_end(question) - 4], A, socket.inet_aton(address))


class OddServers:
    """All of them on one host, in one thread."""

    def __init__(self, host: Host) -> None:
        self._sockets: dict[socket.socket, str] = {}
        for kind, address in {**ODD, "silent": SILENT}.items():
            handle = host.open_socket(socket.SOCK_DGRAM)
            handle.bind((address, DNS_PORT))
            self._sockets[handle] = kind
        self._elsewhere = host.open_socket(socket.SOCK_DGRAM)
        self._elsewhere.bind((ELSEWHERE, DNS_PORT))
        self._stopping = False
        self._thread = threading.Thread(target=self._serve, name="odd servers", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop answering."""
        self._stopping = True
        self._thread.join(2)
        for handle in (*self._sockets, self._elsewhere):
            handle.close()

    def _serve(self) -> None:
        while not self._stopping:
            ready, _, _ = select.select(list(self._sockets), [], [], 0.1)
            for handle in ready:
                with contextlib.suppress(OSError):
                    question, sender = handle.recvfrom(4096)
                    if len(question) > 16:
                        self._answer(handle, self._sockets[handle], question, sender)

    def _answer(self, handle: socket.socket, kind: str, question: bytes, sender: tuple[str, int]) -> None:
        """Do what this server is odd for."""
        true = reply(question, answers=(address_of(question, WEB),))
        forged = reply(question, answers=(address_of(question, "198.51.100.66"),))
        guessed = bytes([question[0] ^ 0xFF, question[1]])
        match kind:
            case "lame-upward":
                # "I know nothing of this zone, ask the root": a circle, if anybody followed it
                up = (record(b"\0", NS, wire_name("a.root-servers.net")),)
                glue = (record(wire_name("a.root-servers.net"), A, socket.inet_aton(ROOT)),)
                handle.sendto(reply(question, 0, authority=up, additional=glue), sender)
            case "not-authoritative":
                handle.sendto(reply(question, 0, answers=(address_of(question, WEB),)), sender)
            case "wrong-id" | "always-wrong-id":
                handle.sendto(guessed + forged[2:], sender)
                if kind == "wrong-id":
                    time.sleep(BEFORE)
                    handle.sendto(true, sender)
            case "wrong-address":
                self._elsewhere.sendto(forged, sender)
                time.sleep(BEFORE)
                handle.sendto(true, sender)
            case "wrong-question":
                other = question[:12] + wire_name("other.test") + struct.pack("!HH", A, 1)
                handle.sendto(reply(other, answers=(address_of(other, "198.51.100.66"),)), sender)
            case "garbled":
                handle.sendto(true[:-6], sender)
            case "no-edns":
                plain = question[10:12] == b"\0\0"
                handle.sendto(true if plain else reply(question, FORMAT_ERROR), sender)
            case "truncated":
                handle.sendto(reply(question, AUTHORITATIVE | TRUNCATED), sender)
            case "servfail":
                handle.sendto(reply(question, SERVER_FAILURE), sender)
            case "poison":
                # a referral to a zone below, with the address of a server far outside its own zone
                below = wire_name(f"www.{kind}.test")
                servers = (record(below, NS, wire_name("ns1.shop.example")),)
                address = (record(wire_name("ns1.shop.example"), A, socket.inet_aton("198.51.100.66")),)
                handle.sendto(reply(question, 0, authority=servers, additional=address), sender)
            case "crowd":
                # many servers that do not exist, so that whoever believes it has a lot to look up (NXNSAttack)
                below = wire_name(f"www.{kind}.test")
                names = (wire_name(f"ns{number}.shop.example") for number in range(10, 22))
                handle.sendto(reply(question, 0, authority=tuple(record(below, NS, name) for name in names)), sender)

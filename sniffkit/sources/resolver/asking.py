"""Asks one DNS server one question and waits for its answer: over UDP, over TCP where that was cut short.

An answer counts only if it comes from the address and port that were asked, to the port that asked, carries the
question's id and repeats the question (RFC 5452 section 9.1). Whatever else arrives is noted and thrown away, and the
waiting goes on: a forger who guesses wrong must not be able to stop it.
"""

from __future__ import annotations

import contextlib
import errno
import re
import selectors
import socket
import struct
import time
from typing import TYPE_CHECKING

from sniffkit.sources.resolver.trace import Record, Stray

if TYPE_CHECKING:
    import dns.message
    import dns.name
    import dns.rrset

    from sniffkit.sources.resolver.trace import Asked

EDNS_SIZE = 1232
"""Octets of a datagram that we take: what passes every network without fragments (DNS flag day 2020)."""

KEPT_STRAYS = 8
"""How many strays of one question are kept; the rest is only thrown away."""

IP_RECVERR, IPV6_RECVERR = 11, 25
"""Linux: ICMP errors reach a socket that is not connected, too."""

LARGEST = 65_535
NAMED = {"NS", "CNAME", "PTR", "DNAME", "SOA", "MX", "AFSDB", "SRV", "RP", "NSEC", "RRSIG"}
"""Types with names in their data, which are written without the final dot as all names here."""
FINAL_DOT = re.compile(r"(?<=[^\s.])\.(?=\s|$)")
FLAGS = ("qr", "aa", "tc", "rd", "ra", "ad", "cd")


def text_of(name: dns.name.Name) -> str:
    """Write a name without the final dot, the root as "."."""
    return name.to_text(omit_final_dot=True) if len(name) > 1 else "."


def records_of(section: list[dns.rrset.RRset]) -> list[Record]:
    """Return the records of a section in the order in which they came."""
    import dns.rdatatype

    found = []
    for rrset in section:
        kind = dns.rdatatype.to_text(rrset.rdtype)
        for rdata in rrset:
            data = rdata.to_text(chunksize=0)
            found.append(
                Record(text_of(rrset.name), rrset.ttl, kind, FINAL_DOT.sub("", data) if kind in NAMED else data)
            )
    return found


class Asker:
    """Sends questions; each is filled in with what happened to it.

    timeout:   seconds to wait for an answer
    dnssec:    ask for signatures (DO bit)
    recursive: ask to have the work done (RD), as programs ask their resolver

    spent_ns: how long all questions waited together
    """

    def __init__(self, *, timeout: float = 2.0, dnssec: bool = False, recursive: bool = False) -> None:
        self.timeout = timeout
        self.dnssec = dnssec
        self.recursive = recursive
        self.spent_ns = 0

    def ask(self, asked: Asked) -> dns.message.Message | None:
        """Send the question and return the answer; without one, ``asked.failure`` says why."""
        import dns.exception

        query = self._query(asked)
        asked.query = query.to_wire()
        asked.sent_ns = time.time_ns()
        begun = time.monotonic_ns()
        try:
            exchange = self._tcp if asked.transport == "tcp" else self._udp
            answer = exchange(asked, query, time.monotonic() + self.timeout)
        except OSError as error:
            asked.failure = _failure(error)
            answer = None
        except dns.exception.DNSException:  # a stream cannot be searched for a better message, as datagrams can
            asked.failure, answer = "garbled", None
        self.spent_ns += time.monotonic_ns() - begun
        if answer is not None or asked.failure in ("refused-port", "garbled", "tcp-closed"):
            asked.elapsed_ns = time.monotonic_ns() - begun
        if answer is not None:
            _fill_in(asked, answer)
        return answer

    def _query(self, asked: Asked) -> dns.message.Message:
        import dns.flags
        import dns.message

        query = dns.message.make_query(
            asked.name,
            asked.type,
            use_edns=0 if asked.edns else False,
            payload=asked.edns or EDNS_SIZE,
            want_dnssec=self.dnssec and bool(asked.edns),
        )
        query.flags = dns.flags.RD if self.recursive else dns.flags.Flag(0)
        return query

    def _udp(self, asked: Asked, query: dns.message.Message, end: float) -> dns.message.Message | None:
        six = ":" in asked.address
        with socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM) as handle:
            with contextlib.suppress(OSError):
                if six:
                    handle.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVERR, 1)
                else:
                    handle.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
            handle.bind(("::" if six else "0.0.0.0", 0))  # a port that nobody can guess: the kernel's choice
            handle.sendto(asked.query, (asked.address, asked.port))
            asked.client, asked.client_port = _own_address(asked), handle.getsockname()[1]
            while _readable(handle, end):
                octets, sender = handle.recvfrom(LARGEST)
                found = believed(asked, query, octets, (sender[0].partition("%")[0], sender[1]))
                if isinstance(found, Stray):
                    if len(asked.strays) < KEPT_STRAYS:
                        asked.strays.append(found)
                    continue
                asked.response = octets
                return found
        asked.failure = "timeout"
        return None

    def _tcp(self, asked: Asked, query: dns.message.Message, end: float) -> dns.message.Message | None:
        with socket.create_connection((asked.address, asked.port), self.timeout) as stream:
            asked.client, asked.client_port = stream.getsockname()[:2]
            stream.sendall(struct.pack("!H", len(asked.query)) + asked.query)
            while True:
                length = _exactly(stream, 2, end)
                octets = _exactly(stream, int.from_bytes(length, "big"), end) if length else b""
                if not octets:
                    asked.failure = "tcp-closed"
                    return None
                found = believed(asked, query, octets, (asked.address, asked.port))
                if not isinstance(found, Stray):
                    asked.response = octets
                    return found
                asked.strays.append(found)
                if len(asked.strays) >= KEPT_STRAYS:
                    asked.failure = "garbled"
                    return None


def has_route(address: str) -> bool:
    """Say whether this machine has a way to an address; nothing is sent to find out."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as handle:
        try:
            handle.connect((address, 53))
        except OSError:
            return False
    return True


def _own_address(asked: Asked) -> str:
    """Return the address that packets to the server leave from."""
    with socket.socket(socket.AF_INET6 if ":" in asked.address else socket.AF_INET, socket.SOCK_DGRAM) as handle:
        handle.connect((asked.address, asked.port))
        return str(handle.getsockname()[0])


def _readable(handle: socket.socket, end: float) -> bool:
    """Wait until something is there to read; False when the time is up."""
    left = end - time.monotonic()
    if left <= 0:
        return False
    with selectors.DefaultSelector() as selector:
        selector.register(handle, selectors.EVENT_READ)
        return bool(selector.select(left))


def _exactly(stream: socket.socket, octets: int, end: float) -> bytes:
    """Read so many octets; b"" where the other end closes first. Raises TimeoutError."""
    parts = b""
    while len(parts) < octets:
        if not _readable(stream, end):
            raise TimeoutError
        part = stream.recv(octets - len(parts))
        if not part:
            return b""
        parts += part
    return parts


def believed(
    asked: Asked, query: dns.message.Message, octets: bytes, sender: tuple[str, int]
) -> dns.message.Message | Stray:
    """Return the message if it answers the question, else why it does not."""
    import dns.exception
    import dns.flags
    import dns.message

    source = f"{sender[0]} port {sender[1]}"
    if (_packed(sender[0]), sender[1]) != (_packed(asked.address), asked.port):
        return Stray("wrong-address", f"{asked.address} port {asked.port}", source, source)
    identifier = int.from_bytes(octets[:2], "big")
    if len(octets) < 12:
        return Stray("garbled", "", f"{len(octets)}", source)  # not even a header
    if identifier != query.id:
        return Stray("wrong-id", f"0x{query.id:04x}", f"0x{identifier:04x}", source)
    if not octets[2] & 0x80:
        return Stray("not-a-response", "", "", source)
    try:
        message = dns.message.from_wire(octets, ignore_trailing=True, raise_on_truncation=False, one_rr_per_rrset=False)
    except dns.exception.DNSException as error:
        return Stray("garbled", type(error).__name__, f"{len(octets)}", source)
    # An error may come without the question (RFC 1035 leaves it open); an answer may not.
    if message.question != query.question and not (message.rcode() and not message.question):
        found = message.question[0].to_text() if message.question else "-"
        return Stray("wrong-question", query.question[0].to_text(), found, source)
    return message


def _packed(address: str) -> bytes:
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def _fill_in(asked: Asked, answer: dns.message.Message) -> None:
    import dns.flags
    import dns.rcode

    asked.rcode = dns.rcode.to_text(answer.rcode())
    asked.flags = tuple(flag for flag in FLAGS if answer.flags & dns.flags.from_text(flag.upper()))
    asked.size = len(asked.response)
    asked.peer_edns = answer.payload if answer.edns >= 0 else 0
    asked.answers = records_of(answer.answer)
    asked.authority = records_of(answer.authority)
    asked.additional = records_of(answer.additional)


def _failure(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, ConnectionRefusedError):
        return "refused-port"
    if isinstance(error, ConnectionError):
        return "tcp-closed"
    if error.errno in (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EACCES, errno.EPERM):
        return "unreachable"
    return "unreachable"

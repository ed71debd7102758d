"""A packet in one line: times, ends, protocol and summary of every packet of a batch, made in bulk.

The summaries are in the words of the wire (flag names, field names), the same in every language, and read like those
of other analysers: ``50000 > 80 [SYN] Seq=0 Win=64240 Len=0 MSS=1460 WS=128``.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sniffkit.analysis.segments import SYN, ip_ends
from sniffkit.analysis.tcp.mark_names import Mark, names_of
from sniffkit.explanations.plain import escaped
from sniffkit.explanations.summaries import summary_of
from sniffkit.protocols.packet import read_packet
from sniffkit.protocols.single_packets import read_datagrams
from sniffkit.sources.batch import NO_TIME

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sniffkit.analysis.capture import BatchFacts
    from sniffkit.protocols.columns import Columns
    from sniffkit.protocols.packet import Packet
    from sniffkit.sources.batch import Batch

_FLAG_NAMES = ("FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR", "AE")
DNS_PORTS = (53, 5353, 5355)


_SHOWN_MARKS = np.uint16(0xFFFF & ~Mark.CAPTURED_TWICE)


def mark_labels(mask: int) -> list[str]:
    """Return marks as a listing shows them: ``Duplicate Ack``; the plain retransmission only where it has no cause."""
    names = names_of(mask)
    if "fast_retransmission" in names or "spurious_retransmission" in names:
        names.remove("retransmission")
    return [name.replace("_", " ").title() for name in names]


@dataclass(slots=True)
class Lines:
    """The listing of a batch: lists of n texts.

    source_end, destination_end: address and port together
    odd: packets, by row, in which something contradicts itself, of those that were read one by one
    """

    number: int
    time: list[str]
    source: list[str]
    destination: list[str]
    source_end: list[str]
    destination_end: list[str]
    protocol: list[str]
    summary: list[str]
    odd: dict[int, Packet]


class Listing:
    """Makes the lines batch by batch; times are relative to the capture's first packet."""

    def __init__(self) -> None:
        self._flags = [
            ", ".join(name for bit, name in enumerate(_FLAG_NAMES) if flags >> bit & 1) or "<None>"
            for flags in range(512)
        ]
        self._addresses: dict[Any, str] = {}
        self.first_time: int | None = None

    def lines(self, facts: BatchFacts) -> Lines:
        """Return the listing of one batch."""
        batch = facts.columns.batch
        count = len(batch)
        source, destination = self._ends_of_links(facts)
        protocol = np.full(count, "?", object)
        summary = np.full(count, None, object)
        source_port = np.full(count, -1, np.int64)
        destination_port = np.full(count, -1, np.int64)
        self._network(facts, source, destination)
        for name, shown in (("ip", "IPv4"), ("ipv6", "IPv6"), ("arp", "ARP"), ("icmp", "ICMP"), ("icmpv6", "ICMPv6")):
            protocol[facts.columns.rows(name).row] = shown
        quoted_free = facts.tcp_at >= 0
        self._udp(facts, protocol, summary, source_port, destination_port)
        if quoted_free.any():
            self._tcp(facts, protocol, summary, source_port, destination_port)
        for name in ("icmp", "icmpv6"):  # an error that quotes a TCP or UDP header is an ICMP packet
            at = facts.columns.rows(name).row
            protocol[at] = "ICMP" if name == "icmp" else "ICMPv6"
            summary[at] = None
            source_port[at] = destination_port[at] = -1
        odd: dict[int, Packet] = {}
        for row, text in enumerate(summary.tolist()):
            if text is None:
                packet = self._one_by_one(facts, row, protocol, summary)
                if any(layer.problems for layer in packet.layers):
                    odd[row] = packet
        sources, destinations = source.tolist(), destination.tolist()
        return Lines(
            batch.first,
            self._times(batch.time_ns),
            sources,
            destinations,
            _with_ports(sources, source_port.tolist()),
            _with_ports(destinations, destination_port.tolist()),
            protocol.tolist(),
            summary.tolist(),
            odd,
        )

    def _times(self, time_ns: NDArray[np.int64]) -> list[str]:
        if self.first_time is None:
            known = time_ns[time_ns != NO_TIME]
            self.first_time = int(known[0]) if len(known) else None
        if self.first_time is None:
            return ["-"] * len(time_ns)
        relative = time_ns - self.first_time
        texts = [f"{ns // 1_000_000_000}.{ns % 1_000_000_000 // 1000:06d}" for ns in np.abs(relative).tolist()]
        for row in np.flatnonzero(relative < 0).tolist():
            texts[row] = f"-{texts[row]}"
        for row in np.flatnonzero(time_ns == NO_TIME).tolist():
            texts[row] = "-"
        return texts

    def _named(self, values: NDArray[Any], kind: int) -> NDArray[Any]:
        """Return addresses as texts, each different one written once."""
        if values.ndim == 2:
            joined = np.ascontiguousarray(values.astype(">u8")).view("V16").reshape(-1)
            known = self._addresses
            return np.array([known.get(raw) or self._remember(raw, kind) for raw in joined.tolist()], object)
        different, inverse = np.unique(values, return_inverse=True)
        names = [self._addresses.get((kind, one)) or self._remember((kind, one), kind) for one in different.tolist()]
        return np.array(names, object)[inverse]

    def _remember(self, key: Any, kind: int) -> str:
        if len(self._addresses) > 200_000:
            self._addresses.clear()
        if kind == 6:
            text = socket.inet_ntop(socket.AF_INET6, key)
        elif kind == 4:
            text = socket.inet_ntoa(key[1].to_bytes(4, "big"))
        else:
            text = key[1].to_bytes(6, "big").hex(":")
        self._addresses[key] = text
        return text

    def _ends_of_links(self, facts: BatchFacts) -> tuple[NDArray[Any], NDArray[Any]]:
        count = len(facts.columns.batch)
        source, destination = np.full(count, "", object), np.full(count, "", object)
        rows = facts.columns.rows("eth").row
        plain = np.ones(count, np.bool_)
        for name in ("ip", "ipv6"):
            plain[facts.columns.rows(name).row] = False
        wanted = plain[rows]
        if wanted.any():
            source[rows[wanted]] = self._named(facts.columns["eth.src"][wanted], 2)
            destination[rows[wanted]] = self._named(facts.columns["eth.dst"][wanted], 2)
        return source, destination

    def _network(self, facts: BatchFacts, source: NDArray[Any], destination: NDArray[Any]) -> None:
        columns = facts.columns
        for name, kind in (("ip", 4), ("ipv6", 6)):
            met = columns.rows(name)
            if len(met):
                real = ~met.quoted  # the header that an ICMP error quotes is not this packet's
                rows = met.row[real]
                source[rows] = self._named(columns[f"{name}.src"][real], kind)
                destination[rows] = self._named(columns[f"{name}.dst"][real], kind)
        # A transport header belongs to the IP header directly before it, which need not be of the later version.
        for protocol in ("tcp", "udp"):
            rows_of = columns.rows(protocol)
            if (rows_of.parent != rows_of.parent[:1]).any():
                upper = rows_of.row
                at, to, _ = ip_ends(columns, rows_of.parent, rows_of.parent_index)
                real = ~rows_of.quoted
                upper, at, to = upper[real], at[real], to[real]
                mapped = (at[:, 0] == 0) & (at[:, 1] >> np.uint64(32) == 0xFFFF)
                source[upper[mapped]] = self._named((at[mapped, 1] & np.uint64(0xFFFFFFFF)).astype(np.uint32), 4)
                destination[upper[mapped]] = self._named((to[mapped, 1] & np.uint64(0xFFFFFFFF)).astype(np.uint32), 4)
                source[upper[~mapped]] = self._named(at[~mapped], 6)
                destination[upper[~mapped]] = self._named(to[~mapped], 6)

    def _udp(
        self,
        facts: BatchFacts,
        protocol: NDArray[Any],
        summary: NDArray[Any],
        source_port: NDArray[np.int64],
        destination_port: NDArray[np.int64],
    ) -> None:
        rows = facts.columns.rows("udp")
        if not len(rows.row):
            return
        sent, reached = facts.columns["udp.srcport"], facts.columns["udp.dstport"]
        protocol[rows.row] = "UDP"
        source_port[rows.row], destination_port[rows.row] = sent, reached
        length = np.maximum(rows.length - 8, 0).tolist()
        texts = [
            f"{source} > {destination} Len={octets}"
            for source, destination, octets in zip(sent.tolist(), reached.tolist(), length, strict=True)
        ]
        summary[rows.row] = np.array(texts, object)
        dns = np.isin(sent, DNS_PORTS) | np.isin(reached, DNS_PORTS)
        summary[rows.row[dns]] = None

    def _tcp(
        self,
        facts: BatchFacts,
        protocol: NDArray[Any],
        summary: NDArray[Any],
        source_port: NDArray[np.int64],
        destination_port: NDArray[np.int64],
    ) -> None:
        segments, numbers = facts.segments, facts.numbers
        protocol[segments.row] = "TCP"
        source_port[segments.row], destination_port[segments.row] = segments.source_port, segments.destination_port
        names = self._flags
        texts = [
            f"{sent} > {reached} [{names[flags & 511]}] Seq={seq} Ack={ack} Win={window} Len={length}"
            if flags & 16
            else f"{sent} > {reached} [{names[flags & 511]}] Seq={seq} Win={window} Len={length}"
            for sent, reached, flags, seq, ack, window, length in zip(
                segments.source_port.tolist(),
                segments.destination_port.tolist(),
                segments.flags.tolist(),
                numbers.sequence.tolist(),
                numbers.acknowledgment.tolist(),
                facts.marks.window_size.tolist(),
                np.maximum(segments.length, 0).tolist(),
                strict=True,
            )
        ]
        for at in np.flatnonzero(segments.flags & SYN).tolist():
            texts[at] += _syn_options(facts, at)
        mask = facts.marks.mask & _SHOWN_MARKS
        for at in np.flatnonzero(mask).tolist():
            texts[at] = f"[{', '.join(mark_labels(int(mask[at])))}] {texts[at]}"
        summary[segments.row[::-1]] = np.array(texts, object)[::-1]  # the first header of a packet counts

    def _one_by_one(self, facts: BatchFacts, row: int, protocol: NDArray[Any], summary: NDArray[Any]) -> Packet:
        batch = facts.columns.batch
        packet, name, text = _read(facts.columns, row)
        protocol[row] = _shown(name, batch, row)
        summary[row] = escaped(text)
        return packet


def protocol_of(columns: Columns, row: int) -> str:
    """Return the protocol of one packet as the listing names it."""
    return _shown(_read(columns, row)[1], columns.batch, row)


def _read(columns: Columns, row: int) -> tuple[Packet, str, str]:
    """Return a packet with the datagrams it completes, the name of its protocol and its summary."""
    batch = columns.batch
    packet = read_packet(batch.packet(row), int(batch.link_type[row]), int(batch.length[row]))
    read_datagrams(packet, columns.datagrams.get(row, ()))
    return packet, *summary_of(packet)


def _shown(name: str, batch: Batch, row: int) -> str:
    return name or f"LINKTYPE {batch.link_type[row]}"


def _with_ports(addresses: list[str], ports: list[int]) -> list[str]:
    return [
        address if port < 0 else f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
        for address, port in zip(addresses, ports, strict=True)
    ]


def _syn_options(facts: BatchFacts, at: int) -> str:
    segments = facts.segments
    parts = []
    if segments.mss[at] >= 0:
        parts.append(f" MSS={segments.mss[at]}")
    if segments.sack_permitted[at]:
        parts.append(" SACK_PERM")
    if segments.scale_shift[at] >= 0:
        parts.append(f" WS={1 << min(int(segments.scale_shift[at]), 14)}")
    return "".join(parts)

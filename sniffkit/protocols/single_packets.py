"""Fields that no column has, from the packets that may carry them, read one by one and each only once."""

from __future__ import annotations

import socket
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sniffkit.protocols.field_types import NAMED_AFTER, FieldType, Kind
from sniffkit.protocols.occurrences import Occurrences, Spans
from sniffkit.protocols.packet import Layer, Packet, Place, read_layers, trailer
from sniffkit.protocols.plain_dns import LEFT_OUT_OF_QUERIES, PlainDns, unescaped
from sniffkit.protocols.walk import PROTOCOLS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from sniffkit.protocols.columns import Columns
    from sniffkit.protocols.reassembly import Whole

DNS_PORTS = (53, 5353)
"""Over TCP, as tshark has them."""

RENAMED = {"sll2": "sll", "erspan3": "erspan"}
"""Layers that stand under another protocol's name."""


DNS_FAMILY = ("dns", "mdns", "llmnr")
DNS_NAMES = frozenset(
    f"dns.{name}"
    for name in (
        "qry.name", "resp.name", "cname", "dname", "mx.mail_exchange", "ns", "nsec.next_domain_name",
        "ptr.domain_name", "rrsig.signers_name", "soa.mname", "soa.rname", "srv.target", "svcb.targetname",
    )
)  # fmt: skip

KEPT_OF_WRONG = {
    "ip.version-wrong": ("ip.version",),
    "ip.header-short": ("ip.version", "ip.hdr_len"),
}
"""A header that cannot be one: Wireshark has no more fields of it than these."""


def is_query(layer: Layer) -> bool:
    """Tell whether a layer is a DNS question."""
    if layer.protocol not in DNS_FAMILY:
        return False
    response = layer.first("dns.flags.response")
    return response is not None and response.value == 0


class SinglePackets:
    """The packets of a batch that are read one by one.

    messages: by packet (row of the batch) the DNS messages that become whole with it out of a TCP stream: the octets of
              each as far as captured, and how many it has. None: what a segment begins with is taken for a message.
    """

    def __init__(self, columns: Columns, messages: Mapping[int, Sequence[tuple[bytes, int]]] | None = None) -> None:
        self.columns = columns
        self._messages = messages
        self._read: dict[int, Packet] = {}
        self._indexed: dict[int, dict[str, list[Any]]] = {}
        self._dns: dict[int, dict[str, list[Any]]] = {}

    @cached_property
    def plain_dns(self) -> PlainDns:
        """The DNS messages that need not be looked for packet by packet."""
        return PlainDns(self.columns)

    def field(self, field: FieldType, packets: NDArray[np.int64] | None = None) -> Occurrences:
        """Return a field as it stands in some packets (all that may carry it by default)."""
        places: list[int] = []
        values: list[Any] = []
        texts: list[str] = []
        chosen = self.candidates(field.protocol) if packets is None else packets
        read = self._dns_fields if field.protocol == "dns" else self._fields
        for row in chosen.tolist():
            for value in read(row).get(field.id, ()):
                if value.value is not None or field.kind is Kind.LABEL:
                    places.append(row)
                    values.append(value.value)
                    texts.append("1" if field.kind is Kind.LABEL else value.text)
        import numpy as np

        return Occurrences(np.array(places, np.int64), as_column(values, field.kind), texts)

    def layers(self, protocol: str, packets: NDArray[np.int64] | None = None) -> Occurrences:
        """Return where a protocol's layers are in some packets, with all octets from each on."""
        import numpy as np

        batch = self.columns.batch
        places, start = [], []
        for row in (self.candidates(NAMED_AFTER.get(protocol, protocol)) if packets is None else packets).tolist():
            for layer in self.packet(row).layers:
                if layer.protocol == protocol:
                    places.append(row)
                    start.append(layer.offset)
        packet, first = np.array(places, np.int64), np.array(start, np.int64)
        return Occurrences(packet, Spans(batch.octets, batch.offset[packet] + first, batch.captured[packet] - first))

    def candidates(self, protocol: str) -> NDArray[np.int64]:
        """Return the packets that may carry a field of a protocol, ascending."""
        import numpy as np

        columns = self.columns
        names = [protocol, *(other for other, name in RENAMED.items() if name == protocol)]
        found = []
        for name in names:
            if name in PROTOCOLS and name != "frame":
                found += [columns.rows(name).row, columns.left_out(name)]
        if protocol == "dns" and self._messages is not None:
            found.append(np.array(sorted(self._messages), np.int64))
        elif protocol == "dns":
            rows = columns.rows("tcp")
            spoken = np.isin(columns["tcp.srcport"], DNS_PORTS) | np.isin(columns["tcp.dstport"], DNS_PORTS)
            found.append(rows.row[spoken & (columns["tcp.len"] > 0)])
        return np.unique(np.concatenate(found)) if found else np.arange(len(columns.batch))

    def packet(self, row: int) -> Packet:
        """Return the layers of a packet as far as our own tables read them."""
        if row not in self._read:
            batch = self.columns.batch
            octets, length = batch.packet(row), int(batch.length[row])
            packet = self._read[row] = Packet()
            place = Place(0, max(length, len(octets)), ("link", int(batch.link_type[row])))
            end = read_layers(packet, octets, place, None)
            read_datagrams(packet, self.columns.datagrams.get(row, ()))
            if self._messages is not None:
                self._from_stream(packet, self._messages.get(row, ()))
            if end is not None and end < len(octets) and packet.layers:
                packet.layers.append(trailer(packet, octets, end, length))
        return self._read[row]

    def _from_stream(self, packet: Packet, messages: Sequence[tuple[bytes, int]]) -> None:
        """Put the messages that are whole with this packet where the segment alone was read."""
        place = next((at for at, layer in enumerate(packet.layers) if layer.protocol == "tcp"), None)
        if place is None:
            return
        if place + 1 < len(packet.layers) and packet.layers[place + 1].protocol == "dns":
            del packet.layers[place + 1 :]
        for octets, length in messages:
            message = Packet([packet.layers[place]])
            prefixed = length.to_bytes(2, "big") + octets
            read_layers(message, prefixed, Place(0, length + 2, ("tcp.port", DNS_PORTS[0])), None)
            packet.layers += message.layers[1:]

    def _fields(self, row: int) -> dict[str, list[Any]]:
        """Return the values of each field of a packet."""
        if row not in self._indexed:
            found = self._indexed[row] = {}
            for layer in self.packet(row).layers:
                add_fields(layer, found)
        return self._indexed[row]

    def _dns_fields(self, row: int) -> dict[str, list[Any]]:
        """Return the same of DNS alone, of a plain message without reading what lies below it."""
        place = self.plain_dns.place(row)
        if place < 0:
            return self._fields(row)
        if row not in self._dns:
            self._dns[row] = {}
            add_fields(self.plain_dns.layer(place), self._dns[row])
        return self._dns[row]


def add_fields(layer: Layer, found: dict[str, list[Any]]) -> None:
    """Add the values of a layer to those found, as Wireshark names and writes them."""
    left_out = LEFT_OUT_OF_QUERIES if is_query(layer) else ()
    only = next((KEPT_OF_WRONG[one.id] for one in layer.problems if one.id in KEPT_OF_WRONG), None)
    named = layer.protocol in DNS_FAMILY
    for value in layer.fields:
        if named and "\\" in value.text and value.id in DNS_NAMES:
            value.value = value.text = unescaped(value.text)
        if value.id not in left_out and (only is None or value.id in only):
            found.setdefault(value.id, []).append(value)


def read_datagrams(packet: Packet, datagrams: Iterable[Whole]) -> None:
    """Go on with what a packet's last fragment completes; offsets count from where the datagram begins."""
    for whole in datagrams:
        read_layers(packet, whole.octets, Place(0, len(whole.octets), ("ip.proto", whole.following)), None)


def as_column(values: list[Any], kind: Kind) -> Any:
    """Return values as ``Occurrences`` keeps them."""
    import numpy as np

    if kind is Kind.IPV4:
        return np.array([int.from_bytes(socket.inet_aton(value)) for value in values], np.uint32)
    if kind is Kind.IPV6:
        # a route's prefix may leave its last octets out (RFC 4191 section 2.3)
        raw = b"".join(
            value.ljust(16, b"\0")[:16] if isinstance(value, bytes) else socket.inet_pton(socket.AF_INET6, value)
            for value in values
        )
        return np.frombuffer(raw, ">u8").astype(np.uint64).reshape(-1, 2)
    if kind is Kind.MAC:
        return np.array([int(value.replace(":", ""), 16) for value in values], np.uint64)
    if kind is Kind.OCTETS:
        return Spans.of([octets_of(value) for value in values])
    if kind is Kind.TEXT:
        column = np.empty(len(values), object)
        column[:] = [value if isinstance(value, str) else str(value) for value in values]
        return column
    if kind is Kind.LABEL:
        return np.zeros(len(values), np.uint8)
    return np.array([value if isinstance(value, int) else 0 for value in values], np.int64)


def octets_of(value: Any) -> bytes:
    """Return the octets of a value."""
    if isinstance(value, bytes):
        return value
    return value.encode() if isinstance(value, str) else int(value).to_bytes(8)


__all__ = ["Layer", "SinglePackets", "read_datagrams"]
